"""Explained: misfits of frames with other tones in one voice, and how much say a frame has."""

from contextlib import closing

import numpy as np
import pytest
import torch

from musisep_cli.machine.threads import Threads
from musisep_cli.players.given.explained import Explained
from musisep_cli.sound.score.part import Values
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from tests.signals import CLARINET, FLUTE, harmonic_tone
from tests.unit.players.given.made import RATE_HZ, spectra_of

LOWER_HZ, HIGHER_HZ, LENGTH_S = 220.0, 350.0, 0.8


def explained(threads: Threads | None = None, silent_s: float = 0.0) -> Explained:
    """A clarinet and a flute, after some silence."""
    lower, higher = (
        harmonic_tone(f0_hz, amplitudes=timbre, duration_s=LENGTH_S, sample_rate_hz=RATE_HZ)
        for f0_hz, timbre in ((LOWER_HZ, CLARINET), (HIGHER_HZ, FLUTE))
    )
    samples = np.concatenate([np.zeros(round(silent_s * RATE_HZ)), 0.2 * (lower + higher)])
    return Explained.of(spectra_of(samples), 9, ObjectiveConfig(), threads or Threads(1))


def duet(of: Explained) -> Tones:
    """The tones of both in all frames."""
    pitches = torch.tensor([LOWER_HZ, HIGHER_HZ]) / of.spectra.frame.bin_hz
    f0_bins = pitches.repeat(len(of.spectra), 1)
    return Tones(torch.ones_like(f0_bins), f0_bins, torch.zeros_like(f0_bins))


def asked(of: Explained, voice: int) -> Values:
    """Misfits of frames in the middle: with the right tone, a semitone off, and none."""
    frames = np.arange(20, len(of.spectra) - 20)
    right = float(duet(of).f0_bins[0, voice])
    f0_bins = np.tile([right, right * 2 ** (1 / 12), right], (len(frames), 1))
    return of.misfits(
        duet(of), voice, frames, np.tile([True, True, False], (len(frames), 1)), f0_bins
    )


@pytest.mark.parametrize("voice", [0, 1])
def test_the_right_tone_explains_the_frame(voice: int) -> None:
    right, off, none = asked(explained(), voice).T
    assert right.max() < 0.02
    assert (off > 10 * right).all()
    assert (none >= off - 1e-3).all()  # a tone that does not fit explains no more than none


def test_questions_may_come_in_any_order_and_by_any_number_of_threads() -> None:
    one = explained()
    with closing(Threads(2)) as threads:
        two = explained(threads)
        np.testing.assert_array_equal(asked(one, 0), asked(two, 0))
    frames = np.array([40, 21, 40, 30])
    f0_bins = np.full((4, 1), float(duet(one).f0_bins[0, 0]))
    found = one.misfits(duet(one), 0, frames, f0_bins > 0, f0_bins)
    np.testing.assert_allclose(found[:, 0], asked(one, 0)[frames - 20, 0], atol=1e-5)
    assert one.misfits(duet(one), 0, frames[:0], f0_bins[:0] > 0, f0_bins[:0]).shape == (0, 1)


def test_a_silent_frame_has_no_say() -> None:
    says = explained(silent_s=0.5).says
    assert (says[:30] == 0).all()
    assert (says[-40:-20] > 0.9).all()
    assert says.max() <= 1


def test_it_ends_where_it_is_paused() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    whole = explained()
    stopped = Explained(whole.spectra, whole.fit, pause=stop)
    with pytest.raises(KeyboardInterrupt):
        asked(stopped, 0)
