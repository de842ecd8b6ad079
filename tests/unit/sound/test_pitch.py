"""Pitch: hertz to semitones and back, against mir_eval and librosa's names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mir_eval.util import hz_to_midi
from numpy.testing import assert_allclose

from musisep_cli.sound.pitch import frequency_hz, midi_number, note_name


@given(st.floats(-20, 150))
def test_a_frequency_and_its_number_are_inverse(midi: float) -> None:
    assert midi_number(frequency_hz(midi)) == pytest.approx(midi, abs=1e-9)


@given(st.floats(-20, 150))
def test_an_octave_doubles_the_frequency(midi: float) -> None:
    assert frequency_hz(midi + 12) == pytest.approx(2 * frequency_hz(midi), rel=1e-12)


def test_arrays_keep_shape_type_and_nan_and_equal_mir_eval() -> None:
    f0_hz = np.geomspace(16, 8000, 12, dtype=np.float32).reshape(3, 4)
    f0_hz[1, 2] = np.nan
    numbers = midi_number(f0_hz)
    assert (numbers.shape, numbers.dtype) == ((3, 4), np.float32)
    assert_allclose(numbers, hz_to_midi(f0_hz), rtol=1e-6)
    assert isinstance(midi_number(440.0), float)


@pytest.mark.parametrize(
    ("midi", "name"), [(21, "A0"), (59, "B3"), (60, "C4"), (61, "C#4"), (108, "C8"), (0, "C-1")]
)
def test_the_piano_from_end_to_end(midi: int, name: str) -> None:
    assert note_name(midi) == name
    assert note_name(midi, sharp="♯") == name.replace("#", "♯")
