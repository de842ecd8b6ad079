"""Voices of the model's own kind, whose parameters are known."""

import math

import torch
from torch import Tensor

from musisep_cli.methods.source_filter.filters import ORDER
from musisep_cli.methods.source_filter.network import NetworkConfig
from musisep_cli.methods.source_filter.source import N_NOISE_BANDS, Voices

SMALL = NetworkConfig(encoder_units=8, hidden_units=16, latent=8, told_harmonics=12)
TINY = {"encoder_units": 8, "hidden_units": 16, "latent": 8}
"""The same as settings."""


def flat() -> Tensor:
    """Line spectral frequencies of A = 1, w_k = k pi / (p + 1), ``[p]``."""
    return math.pi * torch.arange(1, ORDER + 1, dtype=torch.float64) / (ORDER + 1)


def voices(
    shape: tuple[int, ...],
    *,
    amplitude: float = 1.0,
    noise: float = 0.0,
    frequencies: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> Voices:
    """The same parameters in every frame, A = 1 and D = 1 by default."""
    lines = flat().to(dtype) if frequencies is None else frequencies.to(dtype)
    return Voices(
        amplitude=torch.full(shape, amplitude, dtype=dtype),
        noise=torch.full(shape, noise, dtype=dtype),
        frequencies=lines.expand(*shape, ORDER),
        bands=torch.ones(*shape, N_NOISE_BANDS, dtype=dtype),
    )


def resonant(at_rad: float, width_rad: float = 0.1) -> Tensor:
    """Line spectral frequencies with a resonance: two of them near each other, ``[p]``."""
    found = flat()
    nearest = int((found - at_rad).abs().argmin().clamp(1, ORDER - 2))
    found[nearest], found[nearest + 1] = at_rad - width_rad / 2, at_rad + width_rad / 2
    return found.sort().values.clamp(1e-3, math.pi - 1e-3)
