"""Salience: the pitch of a tone stands out, its octaves less, silence not at all."""

import numpy as np
import pytest

from musisep_cli.players.given.salience import STEPS, Grid, pitches, roll, salience
from musisep_cli.sound.score.part import KnownNote, Part
from tests.signals import CLARINET, FLUTE, harmonic_tone
from tests.unit.players.given.made import RATE_HZ, spectra_of


@pytest.mark.parametrize("amplitudes", [FLUTE, CLARINET])
def test_a_tone_is_more_salient_than_its_octaves(amplitudes: tuple[float, ...]) -> None:
    tone = harmonic_tone(262.0, amplitudes=amplitudes, duration_s=0.6, sample_rate_hz=RATE_HZ)
    found, grid = salience(spectra_of(tone))
    middle = found[len(found) // 2]
    best = grid.semitones[middle.argmax()]
    assert best == pytest.approx(60.03, abs=0.3)  # 262 Hz
    octaves = [middle[np.abs(grid.semitones - (60 + step)) < 0.5].max() for step in (-12, 0, 12)]
    assert octaves[1] > 1.15 * max(octaves[0], octaves[2])


def test_silence_is_no_pitch() -> None:
    found, grid = salience(spectra_of(np.zeros(RATE_HZ)))
    assert np.isfinite(found).all()
    assert not found.any()
    assert found.shape == (len(grid.times_s), len(pitches()))


def test_the_level_does_not_matter() -> None:
    tone = harmonic_tone(330.0, amplitudes=FLUTE, duration_s=0.4, sample_rate_hz=RATE_HZ)
    loud, quiet = (salience(spectra_of(gain * tone))[0] for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-3 * loud.max())


def test_a_roll_has_bells_at_the_notes() -> None:
    grid = Grid(np.arange(0, 1, 0.1), pitches())
    part = Part(name="a", notes=(KnownNote.steady(0.2, 0.5, 60.0),))
    drawn = roll([part], grid)
    assert drawn.sum(1).nonzero()[0].tolist() == [2, 3, 4]
    assert grid.semitones[drawn[3].argmax()] == 60.0
    assert drawn[3, drawn[3].argmax() + STEPS] < 0.1  # a semitone above
