"""Loss: 0 of a sound with itself, and of the right parameters less than of wrong ones."""

import numpy as np
import torch

from musisep_cli.methods.source_filter.loss import (
    distance,
    sound_loss,
    spectral_loss,
)
from musisep_cli.methods.source_filter.waveform import sound_of
from tests.unit.methods.source_filter.made import resonant, voices


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, shape))


def test_a_sound_is_no_distance_from_itself() -> None:
    sound = 0.1 * noise(2, 16_000)
    assert float(sound_loss(sound, sound)) == 0
    power = sound.square()[:, None]
    assert float(distance(power, power)) == 0
    assert float(distance(power, 4 * power)) > 0.6


def test_frames_without_weight_do_not_count() -> None:
    reference, estimate = noise(1, 4, 8).square(), noise(1, 4, 8).square()
    estimate[:, 2:] = 100
    weights = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert float(distance(reference, estimate, weights)) == 0
    silent = torch.zeros(1, 4)
    assert float(distance(reference, estimate, silent)) == 0
    sound = noise(1, 16_000)
    other = sound.clone()
    other[:, 8_000:] = 0
    early = (torch.arange(62) < 20)[None].double()
    assert float(sound_loss(sound, other, early)) == 0
    assert float(sound_loss(sound, other)) > 0


def test_a_sound_is_nearer_to_the_parameters_it_was_made_of() -> None:
    f0_hz = torch.tensor([[220.0], [310.0]], dtype=torch.float64).expand(1, 2, 62)
    true = voices((1, 2, 62), noise=0.02, frequencies=resonant(0.5))
    sound = sound_of(true, f0_hz, noise(1, 2, 62 * 256)).sum(1)
    losses = [
        float(spectral_loss(sound, model, f0_hz))
        for model in (
            true,
            voices((1, 2, 62), amplitude=2.0, noise=0.02, frequencies=resonant(0.5)),
            voices((1, 2, 62), noise=0.2, frequencies=resonant(0.5)),
            voices((1, 2, 62), noise=0.02, frequencies=resonant(1.5)),
        )
    ]
    assert losses[0] < 0.9 * min(losses[1:])
