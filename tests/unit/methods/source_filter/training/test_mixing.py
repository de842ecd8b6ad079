"""Mixtures follow from their number alone, and have one level."""

import torch

from musisep_cli.methods.source_filter.training.mixing import MIXTURE_RMS, Mixer
from musisep_cli.methods.source_filter.training.simulator import N_FRAMES


def test_mixtures_follow_from_their_number_and_have_one_level() -> None:
    mixer = Mixer(4, 0, batch_size=2)
    one, again = mixer.batch(5, 2), Mixer(4, 0, batch_size=2).batch(5, 2)
    torch.testing.assert_close(one.sounds, again.sounds, rtol=0, atol=0)
    assert one.sounds.shape == (2, 2, N_FRAMES * 256)
    rms = one.mixture.square().mean(-1).sqrt()
    torch.testing.assert_close(rms, torch.full((2,), MIXTURE_RMS), rtol=1e-3, atol=0)
    assert not bool((mixer.batch(6, 2).sounds == one.sounds).all())


def test_how_many_voices_there_are_is_drawn() -> None:
    mixer = Mixer(4, 0, batch_size=1)
    counts = {mixer.batch(number).f0_hz.shape[1] for number in range(12)}
    assert counts <= {1, 2, 3, 4}
    assert len(counts) > 1
