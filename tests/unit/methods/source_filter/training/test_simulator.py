"""Simulated phrases have the pitch that they say."""

import numpy as np
import pytest

from musisep_cli.methods.source_filter.training.simulator import N_FRAMES, phrase


def test_phrases_have_one_level_and_follow_from_their_generator() -> None:
    for seed in range(4):
        made = phrase(np.random.default_rng(seed))
        assert made.sound.shape == (N_FRAMES * 256,)
        assert made.f0_hz.shape == (N_FRAMES,)
        assert np.isfinite(made.sound).all()
        assert np.sqrt(np.square(made.sound).mean()) == pytest.approx(0.1, rel=1e-3)
        sounding = made.f0_hz > 0
        assert sounding[0]
        assert made.f0_hz[sounding].min() > 30
    same = phrase(np.random.default_rng(3))
    np.testing.assert_array_equal(same.sound, made.sound)


def test_harmonics_are_where_the_pitch_says() -> None:
    made = phrase(np.random.default_rng(1))
    frames = np.flatnonzero(made.f0_hz[8:-8] > 0) + 8
    shares = []
    for n in frames[::20]:
        around = made.sound[256 * n - 1024 : 256 * n + 1024] * np.hanning(2048)
        power = np.square(np.abs(np.fft.rfft(around)))
        ratio = np.arange(len(power)) * 16_000 / 2048 / made.f0_hz[n]
        near = np.abs(ratio - ratio.round()) < 0.15
        shares.append(power[near & (ratio < 6.5)].sum() / power[ratio < 6.5].sum())
    assert np.median(shares) > 0.8
