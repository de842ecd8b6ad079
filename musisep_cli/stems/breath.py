"""Breath: the noise of instruments between their harmonics, taken from what the tones leave over.

Bows, breath, keys and hammers sound at all frequencies. Between the harmonics nothing tells whose
noise it is, nor whether it is that of an instrument at all, and not a drum or a voice. So of the
leftover r, which the shares at the tones leave (``wiener``, (5)), every instrument is taken to
sound noise up to a part b of the power P_i of its stem around, and nobody as much as is beyond
that. The expectation of an instrument's part is then

    e_i = P_i / sum_j P_j  min(1, b sum_j P_j / |r|^2) r,                                       (1)

with P and |r|^2 averaged over ``BAND_HZ``. A leftover that is faint beside the tones goes to the
instruments, and of one that is loud nearly all stays in the residual. Not in the paper. What it
gains: docs/tries.md, "Breath".

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.frames.gabor import GaborFrame

BAND_HZ = 800.0
"""Width of the bands over which powers are averaged."""
LOWEST_HZ = 27.5
"""Frequency below which no leftover counts as loud: the lowest A of a piano, below which neither an
instrument's tone nor a drum's is heard, but stands and floors rumble."""


def breath(leftover: Tensor, stems: Tensor, frame: GaborFrame, most: float) -> Tensor:
    """Return the noise of every instrument, a part of what is left over, ``[n, i, c, f]``.

    Args:
        leftover: complex ``[n, c, f]``.
        stems: the instruments' spectra so far, complex ``[n, i, c, f]``.
        frame: the representation.
        most: b of (1).
    """
    heard = torch.arange(leftover.shape[-1], device=leftover.device) * frame.bin_hz >= LOWEST_HZ
    n_bins = max(1, round(BAND_HZ / frame.bin_hz))
    powers, left = (
        _averaged(spectra.abs().square() * heard, n_bins) for spectra in (stems, leftover)
    )
    total = powers.sum(1)  # n, c, f
    tiny = torch.finfo(total.dtype).tiny
    own = (most * total / left.clamp_min(tiny)).clamp_max(1.0)
    shares = powers / total.clamp_min(tiny)[:, None]
    return shares * (own * leftover)[:, None]  # (1)


def _averaged(power: Tensor, n_bins: int) -> Tensor:
    """Return powers ``[..., f]`` averaged over bands of so many bins, linear from band to band."""
    rows = power.flatten(0, -2)[:, None]
    bands = functional.avg_pool1d(rows, n_bins, ceil_mode=True)
    between = functional.interpolate(bands, size=bands.shape[-1] * n_bins, mode="linear")
    return between[..., : power.shape[-1]].view(power.shape)
