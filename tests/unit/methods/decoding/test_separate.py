"""Separation by decoding: --no-decode decides every frame by itself, and parts still add up."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from musisep_cli.players.costs import DecodingConfig, Weighed, of_leaps
from musisep_cli.run.in_memory import separate
from tests.signals import harmonic_tone
from tests.unit.players.test_path import candidates, label_tones

CONFIG = DecodingConfig()
TINY = {
    "run": {"threads": 1},
    "dictionary": {"n_harmonics": 6},
    "network": {"base_channels": 4},
    "warmstart": {"weights": ""},
    "search": {"beam": 1, "hypotheses": 1},
    "training": {"iterations": 0},
}


def test_without_time_the_order_of_the_frames_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    pitch = np.stack([generator.uniform(70, 80, 60), generator.uniform(50, 60, 60)], 1)
    magnitudes = np.ones((60, 2, 8)) + 0.1 * generator.random((60, 2, 8))
    order = generator.permutation(60)
    config = replace(CONFIG, over_time=False)
    straight = label_tones(pitch, magnitudes, config, 0).tones
    mixed = label_tones(pitch[order], magnitudes[order], config, 0).tones
    assert_array_equal(mixed, straight[order])


def test_leaps_cost_nothing_without_time_and_something_with_it() -> None:
    generator = np.random.default_rng(0)
    given = candidates(generator.uniform(40, 90, (6, 2)), generator.random((6, 2, 8)))
    weighed = Weighed.of(given, CONFIG, 1.0)
    with_time, without = (
        of_leaps(weighed.pitch, weighed.weights, config, np.arange(2))
        for config in (CONFIG, replace(CONFIG, over_time=False))
    )
    assert without.shape == with_time.shape
    assert not without.any()
    assert with_time.max() > 0


def test_stems_and_residual_add_up_and_the_same_seed_gives_the_same() -> None:
    tone = harmonic_tone(300.0, amplitudes=(1.0, 0.5), duration_s=0.4, sample_rate_hz=8_000)
    first, second = (
        separate(0.3 * tone, 8_000, 1, preset="standard", settings=TINY, device="cpu")
        for _ in range(2)
    )
    assert first.sum_error < 1e-5
    assert first.dictionary is not None
    assert first.dictionary.shape == (6, 1)
    assert_array_equal(first.stems, second.stems)
