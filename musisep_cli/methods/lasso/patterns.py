"""Patterns: the linear map from measures of one instrument to its sources, with its adjoint.

A source is y = A' mu: on log frequency the pattern phi of an instrument put at the places of a
measure, y = phi * mu (section 2 of the paper); on the bins of a frame, atoms with their heights.
The proximal iteration asks for three things only: A p, A' u and the solution of
(1 + rho A' A) p = r.

Axes: ``f`` places of the axis on which sources live, ``s`` places of the measure; leading axes are
free.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


class Patterns(Protocol):
    """What one instrument can play."""

    def correlate(self, spectra: Tensor) -> Tensor:
        """Return A p, the inner products with all atoms, ``[..., s]``."""

    def spread(self, measures: Tensor) -> Tensor:
        """Return A' u, the sum of the atoms, ``[..., f]``."""

    def solve(self, right: Tensor, rho: float) -> Tensor:
        """Return p of (1 + rho A' A) p = r, ``[..., f]``."""


@dataclass(frozen=True)
class Shifts:
    """One pattern at all places of a closed axis: a convolution, by Fourier transforms.

    Attributes:
        pattern: phi, real, ``[f]``.
    """

    pattern: Tensor

    @cached_property
    def spectrum(self) -> Tensor:
        """Phi after the Fourier transform."""
        transformed: Tensor = torch.fft.rfft(self.pattern)
        return transformed

    def correlate(self, spectra: Tensor) -> Tensor:
        """Return <phi(. - s), p> at all places s."""
        return self._filtered(spectra, self.spectrum.conj())

    def spread(self, measures: Tensor) -> Tensor:
        """Return phi * u."""
        return self._filtered(measures, self.spectrum)

    def solve(self, right: Tensor, rho: float) -> Tensor:
        """Divide by 1 + rho |phi^|^2."""
        return self._filtered(right, 1 / (1 + rho * self.spectrum.abs().square()))

    def _filtered(self, values: Tensor, response: Tensor) -> Tensor:
        filtered: Tensor = torch.fft.irfft(torch.fft.rfft(values) * response, n=values.shape[-1])
        return filtered


@dataclass(frozen=True)
class Atoms:
    """Finitely many atoms, the rows of a matrix.

    Attributes:
        matrix: A, real, ``[s, f]``.
    """

    matrix: Tensor

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues and eigenvectors of A' A."""
        values, vectors = torch.linalg.eigh(self.matrix.T @ self.matrix)
        return values, vectors

    def correlate(self, spectra: Tensor) -> Tensor:
        """Return A p."""
        return spectra @ self.matrix.T.to(spectra.dtype)

    def spread(self, measures: Tensor) -> Tensor:
        """Return A' u."""
        return measures @ self.matrix.to(measures.dtype)

    def solve(self, right: Tensor, rho: float) -> Tensor:
        """Divide by 1 + rho times the eigenvalues of A' A."""
        values, vectors = self._eigen
        vectors = vectors.to(right.dtype)
        return (right @ vectors) / (1 + rho * values) @ vectors.T
