"""School: what is learned does not depend on interruptions, and something is learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.network import Network, NetworkConfig
from musisep_cli.methods.identity.training.exam import examine
from musisep_cli.methods.identity.training.mixing import Mixer, MixingConfig
from musisep_cli.methods.identity.training.school import School, SchoolConfig
from tests.unit.methods.identity.test_network import SMALL
from tests.unit.methods.identity.training.small_pool import N_PIECES

MIXING = MixingConfig(duration_s=1.0, n_mixtures=2, most_parts=3)


def school(folder: Path, steps: int, sizes: NetworkConfig = SMALL) -> School:
    mixer = Mixer(folder, N_PIECES, MIXING, seed=0)
    return School(SchoolConfig(steps=steps, warmup_steps=5), mixer, Network(sizes), seed=0)


def test_a_training_goes_on_as_if_it_had_not_stopped(small_music: Path, tmp_path: Path) -> None:
    whole, first, second = (school(small_music, 6) for _ in range(3))
    losses = list(whole.run())
    running = first.run()
    before = [next(running) for _ in range(3)]
    first.save(tmp_path / "checkpoint.pt")
    second.resume(tmp_path / "checkpoint.pt")
    assert second.step == 3
    np.testing.assert_array_equal(before + list(second.run()), losses)
    torch.testing.assert_close(second.average, whole.average, atol=0, rtol=0)


def test_a_checkpoint_of_another_size_is_refused(small_music: Path, tmp_path: Path) -> None:
    school(small_music, 1).save(tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError, match="of a network of another size"):
        school(small_music, 1, replace(SMALL, n_channels=17)).resume(tmp_path / "checkpoint.pt")


def test_the_rate_rises_stays_and_falls(small_music: Path) -> None:
    taught = school(small_music, 100)
    rates = {}
    for taught.step in (1, 5, 75, 100):
        rates[taught.step] = taught._rate()
    assert rates == pytest.approx({1: 0.2, 5: 1.0, 75: 1.0, 100: 0.02})


def test_one_batch_is_learned_by_heart(small_music: Path) -> None:
    sizes = NetworkConfig(n_channels=32, n_hidden=64, n_dilations=3, n_rows=1, n_encoder=16)
    taught = school(small_music, 60, sizes)
    batch = taught.mixer.batch(1)
    losses = []
    for taught.step in range(1, 46):
        losses.append(taught._learn(batch))
    assert losses[-1] < losses[0] - 2
    assert examine(taught.network, [batch]).gain_db > 2
