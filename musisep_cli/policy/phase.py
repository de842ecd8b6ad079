"""Phase: the complex coefficient of every harmonic by least squares (paper, Eq. 17).

Axes: ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.model.tones import Peaks


def harmonic_coefficients(peaks: Peaks, spectrum: Tensor, *, tikhonov: float | Tensor) -> Tensor:
    """Coefficients c = argmin sum_f |sum_h c_h g_h[f] - v[f]|^2 + sum_h t_h |c_h|^2  (Eq. 17).

    The normal equations (G + diag(t)) c = <g_h, v> have a real matrix and a complex
    right-hand side. Harmonics may coincide (a tone at bin 0 has all of them there), so G may be
    singular; its eigenvalues are >= 0, hence those of the sum are >= the least weight. Solved in
    float64, where that is far above rounding, the Cholesky factorisation always exists.

    Args:
        peaks: g_h, with leading axes ``[...]``.
        spectrum: complex v, ``[..., f]``.
        tikhonov: weights t of the regularisation, > 0, one for all harmonics or ``[..., h]``.

    Returns:
        Complex c_h, ``[..., h]``, differentiable in v, in the positions and in the widths.
    """
    return NormalEquations.of(peaks, tikhonov=tikhonov).solved(spectrum)


@dataclass(frozen=True)
class NormalEquations:
    """Those of ``harmonic_coefficients``, factorised once for any number of spectra.

    Attributes:
        peaks: g_h, with leading axes ``[...]``.
        factor: L of L L' = G + diag(t), float64, ``[..., h, h]``.
    """

    peaks: Peaks
    factor: Tensor

    @classmethod
    def of(cls, peaks: Peaks, *, tikhonov: float | Tensor) -> NormalEquations:
        """Factorised; the arguments are those of ``harmonic_coefficients``."""
        matrix = peaks.gram().to(torch.float64)
        weights = torch.as_tensor(tikhonov, dtype=matrix.dtype, device=matrix.device)
        matrix = matrix + torch.diag_embed(weights.expand(matrix.shape[:-1]))
        factor, _ = torch.linalg.cholesky_ex(matrix)
        return cls(peaks, factor)

    def solved(self, spectrum: Tensor) -> Tensor:
        """Complex c_h ``[..., h]`` for a spectrum ``[..., f]``."""
        right = torch.view_as_real(self.peaks.correlate(spectrum)).to(torch.float64)  # ..., h, 2
        solution = torch.cholesky_solve(right, self.factor)
        return torch.view_as_complex(solution.to(self.peaks.values.dtype).contiguous())
