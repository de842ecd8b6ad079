from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from musisep_cli.methods.lasso.non_negative import non_negative_lasso


def problem(seed: int, n_atoms: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    atoms = generator.normal(size=(n_atoms, 12))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return torch.from_numpy(atoms), torch.from_numpy(generator.normal(size=12) + 1)


def solved(atoms: torch.Tensor, data: torch.Tensor, alpha: float, n_rounds: int) -> torch.Tensor:
    gram, products = atoms @ atoms.T, atoms @ data
    return non_negative_lasso(
        gram[None],
        products[None],
        torch.tensor([alpha], dtype=torch.float64),
        start=torch.zeros(1, len(atoms), dtype=torch.float64),
        n_rounds=n_rounds,
    )[0]


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(0.01, 1.0))
@settings(max_examples=8)
def test_it_is_the_solution_of_non_negative_least_squares(
    seed: int, n_atoms: int, alpha: float
) -> None:
    atoms, data = problem(seed, n_atoms)
    found = solved(atoms, data, alpha, 300)
    # alpha sum a = <e, A' a> for any e with A e = alpha: the penalty moves into the data.
    shift = np.linalg.lstsq(atoms.numpy(), np.full(n_atoms, alpha), rcond=None)[0]
    expected, _ = nnls(atoms.T.numpy(), data.numpy() - shift)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(st.integers(0, 1000))
@settings(max_examples=8)
def test_every_round_lowers_the_objective(seed: int) -> None:
    atoms, data = problem(seed, 5)

    def objective(heights: torch.Tensor) -> float:
        return float((heights @ atoms - data).square().sum() / 2 + 0.1 * heights.sum())

    values = [objective(solved(atoms, data, 0.1, n_rounds)) for n_rounds in range(6)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))


def test_an_atom_that_is_nothing_keeps_the_height_0() -> None:
    zeros = torch.zeros(1, 1)
    found = non_negative_lasso(zeros[None], zeros + 1, torch.zeros(1), start=zeros + 3, n_rounds=2)
    assert found.tolist() == [[0.0]]
