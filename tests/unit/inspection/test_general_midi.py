"""Programs of General MIDI: spectra of textbook instruments, and what must not be guessed."""

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.inspection.general_midi import guess_program
from tests.signals import CLARINET, FLUTE

HARMONICS = np.arange(1, 26)


def formant(centre_hz: float, midi: float) -> np.ndarray:
    """A rich tone whose harmonics near one frequency are 20 dB stronger."""
    partials_hz = HARMONICS * 440 * 2 ** ((midi - 69) / 12)
    return (0.1 + np.exp(-((np.log2(partials_hz / centre_hz) / 0.3) ** 2))) / HARMONICS**0.2


@pytest.mark.parametrize(
    ("timbre", "median_midi", "name", "number"),
    [
        (np.array(CLARINET), 62.0, "Clarinet", 71),
        (np.array(FLUTE), 76.0, "Flute", 73),
        (np.array(FLUTE), 88.0, "Piccolo", 72),
        (formant(1100.0, 66.0), 66.0, "Oboe", 68),
        (formant(450.0, 48.0), 48.0, "Bassoon", 70),
        # A sawtooth is a bowed string, a trumpet, an organ: no rule.
        (1.0 / HARMONICS, 66.0, "Acoustic Grand Piano", 0),
        # All in the fundamental, but lower than any flute.
        (np.array(FLUTE), 40.0, "Acoustic Grand Piano", 0),
        (np.zeros(25), 60.0, "Acoustic Grand Piano", 0),
        (np.zeros(0), 60.0, "Acoustic Grand Piano", 0),
    ],
)
def test_textbook_spectra(timbre: np.ndarray, median_midi: float, name: str, number: int) -> None:
    program = guess_program(timbre, median_midi)
    assert (program.name, program.number) == (name, number)
    assert program.reason


@given(st.lists(st.floats(1e-6, 2), max_size=30), st.floats(0, 127), st.integers(-20, 20))
def test_any_timbre_gets_a_program_whatever_its_scale(
    amplitudes: list[float], median_midi: float, exponent: int
) -> None:
    timbre = np.array(amplitudes)
    program = guess_program(timbre, median_midi)
    mido.Message("program_change", program=program.number)  # raises outside 0 to 127
    # A power of two, so that no bound is crossed by rounding.
    assert guess_program(2.0**exponent * timbre, median_midi) == program
