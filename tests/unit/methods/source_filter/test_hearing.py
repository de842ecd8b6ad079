"""Hearing: parameters of all frames, whatever the length, at the recording's level."""

import numpy as np
import pytest
import torch

from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.source_filter.adaptation import Material, TrainingConfig
from musisep_cli.methods.source_filter.hearing import HALF, Hearing, played, voices_between
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.source import HOP_S, Voices
from tests.small import seeded
from tests.unit.methods.source_filter.made import SMALL, voices


def hearing(n_frames: int, *, gain: float = 1.0, n_instruments: int = 2) -> Hearing:
    with seeded(0):
        network = Network(SMALL, 2)
    draw = np.random.default_rng(0)
    sound = torch.from_numpy(gain * draw.normal(0, 0.1, n_frames * 256)).float()
    f0_hz = torch.full((2, n_frames), 200.0)
    f0_hz[1, : n_frames // 2] = 0
    config = TrainingConfig(weights="")
    return Hearing(
        network,
        Material(sound, f0_hz),
        config,
        n_instruments=n_instruments,
        n_harmonics=5,
        seed=0,
    )


def heard(made: Hearing) -> Voices:
    blocks = list(made.blocks())
    return leafwise(lambda *parts: torch.cat(parts), *blocks)


@pytest.mark.parametrize(
    ("n_frames", "n_excerpts"),
    [(1, 1), (HALF, 1), (HALF + 1, 1), (2 * HALF, 1), (2 * HALF + 1, 2), (4 * HALF - 3, 3)],
)
def test_every_frame_is_heard_once(n_frames: int, n_excerpts: int) -> None:
    made = hearing(n_frames)
    found = heard(made)
    assert found.amplitude.shape == (n_frames, 2)
    assert found.frequencies.shape == (n_frames, 2, 20)
    assert len(made.losses) == n_excerpts
    assert np.isfinite(made.objective)
    assert made.timbres().shape == (2, 5)


def test_a_louder_recording_has_louder_voices_and_nothing_else() -> None:
    soft, loud = heard(hearing(300)), heard(hearing(300, gain=10.0))
    torch.testing.assert_close(loud.amplitude, 10 * soft.amplitude, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(loud.frequencies, soft.frequencies, rtol=1e-3, atol=1e-4)


def test_an_instrument_breathes_once_however_many_voices_it_has() -> None:
    both, one = heard(hearing(60)), heard(hearing(60, n_instruments=1))
    assert bool((both.noise > 0).all())
    assert float(one.noise[:30, 1].abs().max()) == 0
    assert bool((one.noise[30:, 1] > 0).all())


def test_between_frames_parameters_are_on_lines() -> None:
    model = voices((4, 1), dtype=torch.float32)
    model.amplitude[:, 0] = torch.tensor([0.0, 1.0, 3.0, 3.0])
    at = voices_between(model, HOP_S * torch.tensor([0.5, 1.25, 3.0, 9.0]))
    torch.testing.assert_close(at(slice(0, 4)).amplitude[:, 0], torch.tensor([0.5, 1.5, 3.0, 3.0]))
    torch.testing.assert_close(at(slice(1, 2)).amplitude[:, 0], torch.tensor([1.5]))


def test_of_several_voices_the_loudest_is_played() -> None:
    model = voices((3, 2), dtype=torch.float32)
    model.amplitude[:, 1] = torch.tensor([0.1, 5.0, 5.0])
    f0_hz = np.array([[200, 200, 0], [200, 400, 0]], np.float32)
    found = played(lambda block: model[block], f0_hz, np.arange(3) * HOP_S, 1, 2.0)
    assert found.f0_hz.tolist() == [[200.0, 400.0, 0.0]]
    assert found.on.tolist() == [[True, True, False]]
    assert found.amplitude[0, 0] == pytest.approx(1 / 39 / 4)
