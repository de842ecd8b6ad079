"""Patterns: a linear map, its adjoint, and the solution of (1 + rho A' A) p = r, against NumPy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.methods.lasso.patterns import Atoms, Patterns, Shifts

N = 12
SEEDS = st.integers(0, 2**20)


def normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def made(kind: str, seed: int) -> tuple[Patterns, Tensor]:
    """Patterns, and their matrix A [s, f] as a table."""
    if kind == "atoms":
        matrix = normal(seed, 5, N)
        return Atoms(matrix), matrix
    pattern = normal(seed, N)
    rows = [torch.roll(pattern, shift) for shift in range(N)]
    return Shifts(pattern), torch.stack(rows)


KINDS = pytest.mark.parametrize("kind", ["atoms", "shifts"])


@KINDS
@given(seed=SEEDS)
def test_correlate_and_spread_are_a_matrix_and_its_transpose(kind: str, seed: int) -> None:
    patterns, matrix = made(kind, seed)
    spectra, measures = normal(seed + 1, 3, N), normal(seed + 2, 3, len(matrix))
    assert_close(patterns.correlate(spectra), spectra @ matrix.T)
    assert_close(patterns.spread(measures), measures @ matrix)


@KINDS
@given(seed=SEEDS, rho=st.sampled_from([0.0, 0.1, 10.0]))
def test_what_is_solved_satisfies_the_equation(kind: str, seed: int, rho: float) -> None:
    patterns, _ = made(kind, seed)
    right = normal(seed + 1, 2, N)
    solved = patterns.solve(right, rho)
    assert_close(solved + rho * patterns.spread(patterns.correlate(solved)), right)


def test_complex_spectra_are_correlated_with_real_atoms() -> None:
    patterns, matrix = made("atoms", 0)
    spectra = torch.complex(normal(1, N), normal(2, N))
    assert_close(patterns.correlate(spectra).imag, matrix @ spectra.imag)
    solved = patterns.solve(spectra, 0.5)
    assert_close(solved + 0.5 * patterns.spread(patterns.correlate(solved)), spectra)
