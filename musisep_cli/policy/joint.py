"""Joint fit: all tones of a frame at once, on the mixture itself (not in the paper).

Axes: ``i`` tones, ``h`` harmonics, ``f`` bins; leading axes are free.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musisep_cli.model.tones import FAR_BINS, Peaks, harmonic_positions
from musisep_cli.policy.phase import harmonic_coefficients


def joint_peaks(
    f0_bins: Tensor,
    inharmonicity: Tensor,
    on: Tensor,
    *,
    n_harmonics: int,
    width: float,
    n_bins: int,
) -> Peaks:
    """The peaks of all tones of a frame, as if they were the harmonics of one.

    A tone that is off has its harmonics far outside the spectrum, where they are 0.

    Args:
        f0_bins: f_1 in bins, ``[..., i]``.
        inharmonicity: b, ``[..., i]``.
        on: u, 0 or 1, ``[..., i]``.
        n_harmonics: of every tone.
        width: sigma in bins, of all of them.
        n_bins: length of the spectra.

    Returns:
        Peaks with the axes ``[..., i h]``.
    """
    positions = harmonic_positions(f0_bins, inharmonicity, n_harmonics)  # ..., i, h
    positions = torch.where(on[..., None] > 0, positions, FAR_BINS).flatten(-2)
    return Peaks.around(positions, positions.new_full(positions.shape[:-1], width), n_bins)


def joint_coefficients(
    peaks: Peaks, spectra: Tensor, *, n_tones: int, tikhonov: float | Tensor
) -> Tensor:
    """Complex harmonic amplitudes of all tones together, by least squares on the mixture.

    Where two harmonics meet, none of them takes what belongs to the other, as the first does when
    tones are subtracted one after another.

    Args:
        peaks: of ``joint_peaks``, ``[..., i h]``.
        spectra: complex, ``[..., f]``.
        n_tones: i.
        tikhonov: weight of |c_h|^2, one for all or ``[..., i h]``.

    Returns:
        ``[..., i, h]``.
    """
    coefficients = harmonic_coefficients(peaks, spectra, tikhonov=tikhonov)
    return coefficients.view(*coefficients.shape[:-1], n_tones, -1)
