"""Adaptation: it learns, keeps what is best where it did not learn, and goes on to the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from musisep_cli.methods.source_filter.adaptation import (
    LEVEL,
    Adaptation,
    Material,
    TrainingConfig,
)
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.waveform import sound_of
from tests.small import seeded
from tests.unit.methods.source_filter.made import SMALL, resonant, voices

CONFIG = TrainingConfig(weights="", iterations=9, batch_size=1, learning_rate=5e-3, exam_steps=3)
N_FRAMES = 66


def material(n_frames: int = N_FRAMES) -> Material:
    """Two voices of the model's own kind, a fifth apart, that rest now and then."""
    f0_hz = torch.full((1, 2, n_frames), 220.0)
    f0_hz[0, 1] = 330.0
    f0_hz[0, 0, 20:30] = 0
    model = voices((1, 2, n_frames), noise=0.01, frequencies=resonant(0.4), dtype=torch.float32)
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, 2, 256 * n_frames)))
    return Material(sound_of(model, f0_hz, noise.float()).sum(1)[0], f0_hz[0])


def adaptation(config: TrainingConfig = CONFIG, n_frames: int = N_FRAMES) -> Adaptation:
    with seeded(0):
        network = Network(SMALL, 2)
    return Adaptation(config, network, material(n_frames), 3)


def test_it_learns_and_keeps_the_step_that_explains_best_what_is_held_out() -> None:
    pupil = adaptation()
    reports = list(pupil.run())
    assert [report.iteration for report in reports] == list(range(1, 10))
    losses = [report.terms["loss"] for report in reports]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert pupil.best_step in (3, 6, 9)
    for name, value in pupil.network.state_dict().items():
        torch.testing.assert_close(value, pupil.best[name])


def test_what_never_helps_is_not_kept() -> None:
    pupil = adaptation(replace(CONFIG, learning_rate=1e4, iterations=2, exam_steps=1))
    start = {name: value.clone() for name, value in pupil.network.state_dict().items()}
    list(pupil.run())
    assert pupil.best_step == 0
    for name, value in pupil.network.state_dict().items():
        torch.testing.assert_close(value, start[name])


def test_a_tenth_is_held_out_and_excerpts_hold_voices() -> None:
    network = Network(SMALL, 2)
    f0_hz = torch.full((2, 2000), 200.0)
    f0_hz[:, 800:] = 0
    long = Adaptation(CONFIG, network, Material(torch.ones(2000 * 256), f0_hz), 0)
    assert 0.05 < long.held_out.mean() < 0.15
    assert long.starts.max() < 800
    short = Adaptation(CONFIG, network, Material(torch.ones(40 * 256), f0_hz[:, :40]), 0)
    assert short.length == 40
    assert short.held_out.all()  # less than a second cannot be divided: the same is learned from


@pytest.mark.parametrize("model", ["spectral", "paper"])
def test_an_interruption_changes_nothing(model: str) -> None:
    config = replace(CONFIG, model=model, iterations=3, exam_steps=1)
    whole = adaptation(config, 30)
    list(whole.run())
    first = adaptation(config, 30)
    steps = first.run()
    next(steps), next(steps)
    state = {
        key: value.clone() if isinstance(value, torch.Tensor) else value
        for key, value in first.state_dict().items()
    }
    again = adaptation(config, 30)
    again.load_state_dict(state)
    assert [report.iteration for report in again.run()] == [3]
    assert again.best_step == whole.best_step
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_step_that_is_not_finite_is_left_out() -> None:
    pupil = adaptation()
    before = {name: value.clone() for name, value in pupil.network.state_dict().items()}
    pupil.material.sound[:] = float("nan")
    report = next(pupil.run())
    assert report.n_skipped == 1
    for name, value in pupil.network.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_excerpts_are_brought_to_one_level() -> None:
    made = material()
    sound, f0_hz, level = made.excerpt(10, 50)
    assert sound.shape == (50 * 256,)
    assert f0_hz.shape == (2, 50)
    assert abs(float(sound.square().mean().sqrt()) - LEVEL) < 1e-5
    torch.testing.assert_close(level * sound, made.sound[10 * 256 : 60 * 256])
