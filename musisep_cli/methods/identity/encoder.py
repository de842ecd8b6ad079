"""Encoder: a solo excerpt to the instrument's identity, 64 numbers of unit length.

The log power of the excerpt's frames goes through four convolutions over time; what they find is
described by its mean and deviation over the loud frames, so that rests count for nothing and the
order of the notes does not matter.

Axes: ``b`` batch, ``n`` frames, ``f`` bins, ``d`` numbers of an identity, ``t`` samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from musisep_cli.methods.identity.frames import N_BINS, analyse, log_power

IDENTITY_SIZE = 64
"""Numbers d of an identity."""
LOUD_DB = -40.0
"""A frame this much below the loudest of its excerpt is a rest."""
EXCERPT_RMS = 0.1
"""Level that every excerpt is brought to: an identity does not know how loud it was played."""

_STRIDES = (2, 2, 2, 2)


class Encoder(nn.Module):
    """Returns identities ``[b, d]`` of excerpts ``[b, t]``.

    Args:
        n_channels: width of the convolutions.
        generator: where the start weights come from.
    """

    def __init__(self, n_channels: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = (N_BINS, *[n_channels] * len(_STRIDES))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, 3, stride=stride, padding=1)
            for before, after, stride in zip(widths, widths[1:], _STRIDES, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(n_channels) for _ in _STRIDES)
        self.first_norm = nn.LayerNorm(N_BINS)
        self.out = nn.Linear(2 * n_channels, IDENTITY_SIZE)
        start(self, generator)

    def forward(self, excerpts: Tensor) -> Tensor:
        spectra = analyse(to_level(excerpts))
        found = self.first_norm(log_power(spectra))  # [b, n, f]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolved = convolution(found.transpose(1, 2)).transpose(1, 2)
            found = functional.gelu(norm(convolved))
        statistics = _over_loud(found.float(), _loud(spectra, found.shape[1]))
        identity: Tensor = functional.normalize(self.out(statistics).float(), dim=-1)
        return identity


def to_level(waves: Tensor) -> Tensor:
    """Return waveforms ``[b, t]`` with the RMS of every excerpt; silence stays."""
    rms = waves.square().mean(-1, keepdim=True).sqrt()
    return waves * (EXCERPT_RMS / rms.clamp_min(1e-12)) * (rms > 0)


def start(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the start weights: normal, of variance 1 / inputs, and biases of zero."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d):
            fan_in = part.weight[0].numel()
            with torch.no_grad():
                part.weight.normal_(0, fan_in**-0.5, generator=generator)
                if part.bias is not None:
                    part.bias.zero_()


def _loud(spectra: Tensor, n_pooled: int) -> Tensor:
    """Return 1 for every group of frames that holds a loud one, else 0, ``[b, n]``."""
    power = (spectra.real.square() + spectra.imag.square()).sum(-1)
    loud = power > power.amax(-1, keepdim=True) * 10 ** (LOUD_DB / 10)
    pooled = functional.adaptive_max_pool1d(loud.float()[:, None], n_pooled)
    return pooled[:, 0]


def _over_loud(found: Tensor, loud: Tensor) -> Tensor:
    """Return mean and standard deviation of ``[b, n, d]`` over the loud frames, ``[b, 2 d]``."""
    weight = loud[..., None] / loud.sum(-1)[:, None, None].clamp_min(1)
    mean = (weight * found).sum(1)
    variance = (weight * (found - mean[:, None]).square()).sum(1)
    return torch.cat([mean, (variance + 1e-5).sqrt()], -1)
