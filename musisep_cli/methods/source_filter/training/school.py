"""School: the network learns from simulated mixtures, whose voices are known.

    loss = loss of the mixture + sum over windows of the distance of every voice,              (1)

both terms as in ``loss``. Departs from the specification, where the mixture alone counts: of a
simulated mixture the voices are known, and they say what the mixture alone cannot, who of two
voices a harmonic belongs to. A voice's spectrum counts down to 40 dB below the usual.

Axes: ``b`` mixtures, ``j`` voices, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.methods.schooling import Course, RatesConfig
from musisep_cli.methods.source_filter.loss import distance, expected_powers, powers
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.source import HOP_SAMPLES
from musisep_cli.methods.source_filter.training.mixing import Mixer, Mixtures

GROUND = 1e-3
"""Power added to voices in the second term of (1): 40 dB below that of a mixture's usual bin."""


@dataclass(frozen=True, kw_only=True)
class SchoolConfig(RatesConfig):
    """Rates and budget."""

    steps: int = 800
    """Steps in all; the rate falls over the last quarter. More may be given when going on."""
    warmup_steps: int = 100
    """Steps over which the rate rises from nothing."""
    average: float = 0.99
    """Decay of the moving average of the weights: a tenth of what longer trainings take."""


@dataclass(frozen=True)
class Exam:
    """What mixtures that were not learned from come to.

    Attributes:
        loss: (1), the mean.
        sdr_db: of stems by the masks of the magnitudes, the mean over voices.
        ideal_sdr_db: the same with the masks of the true voices.
    """

    loss: float
    sdr_db: float
    ideal_sdr_db: float


class School(Course[Mixtures]):
    """Trains a network, in place.

    Args:
        config: rates and number of steps.
        mixer: where the batches come from.
        network: what learns.
    """

    def __init__(self, config: SchoolConfig, mixer: Mixer, network: Network) -> None:
        super().__init__(config, mixer, network)
        self.config, self.network = config, network

    def _loss(self, batch: Mixtures) -> Tensor:
        """Return the loss of a batch, (1)."""
        return lesson(self.network, batch)


def lesson(network: Network, mixtures: Mixtures) -> Tensor:
    """Return (1) of a batch, a scalar."""
    mixture, f0_hz = mixtures.mixture, mixtures.f0_hz
    loss = mixture.new_zeros(())
    for n_fft, every, drawn in expected_powers(network(mixture, f0_hz), f0_hz):
        heard, alone = (
            powers(sound, n_fft, every * HOP_SAMPLES)[..., : drawn.shape[-2], :]
            for sound in (mixture, mixtures.sounds)
        )
        loss = loss + distance(heard, drawn.sum(1)) + distance(alone + GROUND, drawn + GROUND)
    return loss  # (1)


@torch.no_grad()
def examine(network: Network, asked: list[Mixtures]) -> Exam:
    """Return what a network makes of mixtures."""
    found = [(lesson(network, mixtures), *_sdr_db(network, mixtures)) for mixtures in asked]
    return Exam(*(float(torch.stack(column).mean()) for column in zip(*found, strict=True)))


def _sdr_db(network: Network, mixtures: Mixtures) -> tuple[Tensor, Tensor]:
    """Return the mean SDR in dB in the spectra, by the network's masks and by the true ones."""
    voices = network(mixtures.mixture, mixtures.f0_hz)
    n_fft, every, drawn = next(expected_powers(voices, mixtures.f0_hz))
    sounds = mixtures.sounds.flatten(0, 1)
    window = torch.hann_window(n_fft)
    hop = every * HOP_SAMPLES
    spectra = torch.stft(
        sounds, n_fft, hop, window=window, pad_mode="constant", return_complex=True
    )
    alone = spectra.transpose(1, 2)[:, : drawn.shape[-2]].unflatten(0, mixtures.sounds.shape[:2])
    mixture = alone.sum(1, keepdim=True)
    return _of_masks(drawn, alone, mixture), _of_masks(alone.abs().square(), alone, mixture)


def _of_masks(drawn: Tensor, alone: Tensor, mixture: Tensor) -> Tensor:
    """Return the mean SDR in dB of voices by masks of powers ``[b, j, n, f]``."""
    masks = drawn / drawn.sum(1, keepdim=True).clamp_min(1e-12)
    error = (alone - masks * mixture).abs().square().sum((-1, -2))
    energy = alone.abs().square().sum((-1, -2))
    return (10 * torch.log10(energy / error.clamp_min(1e-9))).mean()
