"""Additive: an imaginary instrument's notes are where its score has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.identity.training.additive import (
    HIGHEST_HZ,
    N_HARMONICS,
    imaginary,
    levels,
    play,
)
from musisep_cli.methods.identity.training.phrases import PlayedNote

NOTE = PlayedNote(onset_s=1.0, offset_s=2.0, midi=69, velocity=100)


@given(seed=st.integers(0, 10_000), f0_hz=st.floats(30, 4_000))
def test_levels_have_unit_energy_and_stay_below_the_highest_partial(
    seed: int, f0_hz: float
) -> None:
    amplitudes = levels(imaginary(seed), f0_hz)
    assert float(np.square(amplitudes).sum()) == pytest.approx(1, abs=1e-6)
    too_high = f0_hz * np.arange(1, N_HARMONICS + 1) > HIGHEST_HZ
    np.testing.assert_array_equal(amplitudes[too_high], 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_note_sounds_at_its_pitch_while_it_is_held(seed: int) -> None:
    instrument = imaginary(seed)
    wave = play(instrument, [NOTE], np.random.default_rng(0))
    assert not wave[:16_000].any()
    held = wave[16_000:24_000] * np.hanning(8_000)
    spectrum = np.abs(np.fft.rfft(held, 2**16))
    hz = np.fft.rfftfreq(2**16, 1 / 16_000)
    tuned_hz = 440 * 2 ** (instrument.cents / 1200)
    strongest = float(hz[spectrum.argmax()])
    harmonic = round(strongest / tuned_hz)
    assert harmonic >= 1
    assert strongest == pytest.approx(
        harmonic * tuned_hz * np.sqrt(1 + instrument.stiffness * harmonic**2), rel=0.02
    )


def test_a_seed_is_an_instrument_and_another_seed_another() -> None:
    same = [levels(imaginary(1), 220.0), levels(imaginary(1), 220.0)]
    np.testing.assert_array_equal(*same)
    assert np.abs(same[0] - levels(imaginary(2), 220.0)).max() > 0.01
