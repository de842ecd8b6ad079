"""Coefficients: the complex amplitude of every harmonic, by least squares (paper, Eq. 17).

A spectrum v is taken for a sum of known peaks g_h with unknown complex coefficients c_h. The best
ones, with a small weight t_h that keeps them finite where peaks coincide, are

    c = argmin sum_f |sum_h c_h g_h[f] - v[f]|^2 + sum_h t_h |c_h|^2.                           (1)

Where the derivative is 0, c solves the normal equations

    (G + diag(t)) c = <g, v>,   G_hh' = <g_h, g_h'>.                                            (2)

Axes: ``h`` harmonics, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.tones.banded import banded_coefficients
from musisep_cli.tones.peaks import Peaks


def harmonic_coefficients(peaks: Peaks, spectrum: Tensor, *, tikhonov: float | Tensor) -> Tensor:
    """Return the coefficients c of (1), the least squares of Eq. 17 with a regularisation.

    The matrix of (2) is real, its right-hand side complex. Harmonics may coincide (a tone at bin 0
    has all of them there), so G may be singular; its eigenvalues are >= 0, hence those of the sum
    are >= the least weight. In float64 that is far above rounding, and the Cholesky factorisation
    always exists.

    Args:
        peaks: g_h, with leading axes ``[...]``.
        spectrum: complex v, ``[..., f]``.
        tikhonov: weights t > 0 of the regularisation, one for all harmonics or ``[..., h]``.

    Returns:
        Complex c_h, ``[..., h]``, differentiable in v, in the positions and in the widths.
    """
    return coefficients_in_channels(peaks, spectrum[None], tikhonov=tikhonov)[0]


def coefficients_in_channels(peaks: Peaks, spectra: Tensor, *, tikhonov: float | Tensor) -> Tensor:
    """Return the coefficients of ``harmonic_coefficients`` in several channels at once.

    All channels have one matrix, which is factorised once.

    Args:
        peaks: g_h, with leading axes ``[...]``.
        spectra: complex v of every channel, ``[c, ..., f]``.
        tikhonov: weights t > 0, one for all harmonics or ``[..., h]``.

    Returns:
        Complex c_h, ``[c, ..., h]``.
    """
    # A number is filled in on the device: to copy one there, the host waits for it.
    weights = tikhonov if isinstance(tikhonov, Tensor) else peaks.positions.new_full((), tikhonov)
    if _may_be_banded(peaks, spectra, weights):
        return _banded(peaks, spectra, weights)
    # The left-hand side of (2), G + diag(t).
    matrix = peaks.gram().to(torch.float64)
    matrix = matrix + torch.diag_embed(weights.to(matrix.dtype).expand(matrix.shape[:-1]))
    factor, _ = torch.linalg.cholesky_ex(matrix)
    # The right-hand side of (2); real and imaginary parts are columns of their own, for the matrix
    # is real.
    products = torch.stack([peaks.correlate(channel) for channel in spectra], -1)  # ..., h, c
    right = torch.view_as_real(products).to(torch.float64)  # ..., h, c, 2
    # Both triangles by themselves: the same bits as torch.cholesky_solve in half the time.
    halfway = torch.linalg.solve_triangular(factor, right.flatten(-2), upper=False)
    solution = torch.linalg.solve_triangular(factor.mT, halfway, upper=True).unflatten(-1, (-1, 2))
    found: Tensor = torch.view_as_complex(solution.to(peaks.values.dtype).contiguous())
    return found.movedim(-1, 0)


def _may_be_banded(peaks: Peaks, spectra: Tensor, weights: Tensor) -> bool:
    """Return whether ``banded`` serves: on a processor, in float32, where no gradient is asked."""
    tensors = (peaks.values, peaks.positions, peaks.widths, spectra, weights)
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return peaks.positions.is_cpu and peaks.positions.dtype == torch.float32 and not wanted


def _banded(peaks: Peaks, spectra: Tensor, weights: Tensor) -> Tensor:
    """Return what ``coefficients_in_channels`` does, by the band of (2), ``[c, ..., h]``."""
    products = torch.stack([peaks.correlate(channel) for channel in spectra], -1)  # ..., h, c
    positions, shape = peaks.positions, peaks.positions.shape
    n_rows, n_peaks = shape[:-1].numel(), shape[-1]

    def rows(values: Tensor, *of_each: int) -> NDArray[Any]:
        """Return values as an array with a row for every row of peaks."""
        array: NDArray[Any] = values.detach().reshape(n_rows, *of_each).contiguous().numpy()
        return array

    found = banded_coefficients(
        rows(positions, n_peaks),
        rows(peaks.widths.expand(shape[:-1])),
        rows(weights.to(positions.dtype).expand(shape), n_peaks),
        rows(products, n_peaks, len(spectra)),
        peaks.n_bins,
    )
    return torch.from_numpy(found).view(products.shape).movedim(-1, 0)
