"""Loss: how far an extracted waveform y is from the true one s.

    sounds:  10 log10((|s - y|^2 + eps |s|^2) / |s|^2),    eps = 1e-3                           (1)
    silent:  10 log10(|y|^2 / |x|^2 + eps)                                                      (2)
    both:    + 0.5 mean | |S| - |Y| | / mean |R|,   R = S where s sounds, else X                (3)

x is the mixture, and S, Y, X are frames. The floor eps stops at -30 dB: what is good enough takes
no more from what is not. Eq. (3) hears quiet bins that Eq. (1) does not.

Departs from the specification: Eq. (3) uses the frames of the network instead of longer ones, which
saves two transforms a step.

Axes: ``b`` batch, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musisep_cli.methods.identity.frames import analyse

FLOOR = 1e-3
"""eps of Eq. (1) and (2): errors below -30 dB count no more."""
MAGNITUDE_WEIGHT = 0.5
"""Weight of Eq. (3) against decibels."""


def extraction_loss(*, reference: Tensor, estimate: Tensor, mixture: Tensor) -> Tensor:
    """Return the loss of every waveform, ``[b]``, for waveforms ``[b, t]``.

    Args:
        reference: what should come out; all zeros where the instrument is absent.
        estimate: what came out.
        mixture: what went in; it sounds.
    """
    magnitudes = _magnitude_error(reference=reference, estimate=estimate, mixture=mixture)
    return error_db(reference=reference, estimate=estimate, mixture=mixture) + (
        MAGNITUDE_WEIGHT * magnitudes
    )


def error_db(*, reference: Tensor, estimate: Tensor, mixture: Tensor) -> Tensor:
    """Return Eq. (1) where the reference sounds and Eq. (2) where it is silent, ``[b]``.

    >>> s, x = torch.ones(1, 8), torch.full((1, 8), 2.0)
    >>> [round(float(error_db(reference=s, estimate=y, mixture=x)), 2) for y in (s, 0 * s)]
    [-30.0, 0.0]
    """
    energy = reference.square().sum(-1)
    sounds = energy > 0
    base = torch.where(sounds, energy, mixture.square().sum(-1))
    error = (reference - estimate).square().sum(-1)
    return 10 * torch.log10(error / base + FLOOR)


def si_sdr_db(*, reference: Tensor, estimate: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio in dB, ``[...]``, of ``[..., t]``.

    The reference may be scaled freely (Le Roux et al. 2019): a s with the best a is the signal, and
    y - a s the distortion.
    """
    tiny = torch.finfo(reference.dtype).tiny
    energy = reference.square().sum(-1, keepdim=True).clamp_min(tiny)
    signal = (reference * estimate).sum(-1, keepdim=True) / energy * reference
    distortion = (estimate - signal).square().sum(-1).clamp_min(tiny)
    return 10 * torch.log10(signal.square().sum(-1).clamp_min(tiny) / distortion)


def _magnitude_error(*, reference: Tensor, estimate: Tensor, mixture: Tensor) -> Tensor:
    """Return Eq. (3) without its weight, ``[b]``."""
    true, found = analyse(reference).abs(), analyse(estimate).abs()
    whole = true.mean((-2, -1))
    silent = ~reference.any(-1)
    if silent.any():
        whole[silent] = analyse(mixture[silent]).abs().mean((-2, -1))
    return (true - found).abs().mean((-2, -1)) / whole.clamp_min(1e-8)
