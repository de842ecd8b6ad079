"""AdaMax against the published recursion, and against torch's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.methods.policy.adamax import AdaMax
from tests import dense

RATES = {"lr": 1e-2, "beta_1": 0.9, "beta_2": 0.95, "eps": 1e-7}


def optimiser(parameters: list[Tensor], *, shared_dim: int | None = None) -> AdaMax:
    return AdaMax(
        parameters,
        lr=RATES["lr"],
        betas=(RATES["beta_1"], RATES["beta_2"]),
        eps=RATES["eps"],
        shared_dim=shared_dim,
    )


def gradients(seed: int, n_steps: int, *shape: int) -> list[np.ndarray]:
    """Gradients of very different sizes, some exactly 0."""
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=shape) * 10.0 ** rng.integers(-6, 3) * (rng.uniform(size=shape) > 0.2)
        for _ in range(n_steps)
    ]


@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 30))
def test_steps_follow_the_published_recursion(seed: int, shared: bool, n_steps: int) -> None:
    start = np.random.default_rng(seed).normal(size=(5, 3))
    given_gradients = gradients(seed + 1, n_steps, 5, 3)
    parameter = torch.from_numpy(start.copy()).requires_grad_()
    steps = optimiser([parameter], shared_dim=0 if shared else None)
    for gradient in given_gradients:
        steps.step([torch.from_numpy(gradient)])
    expected = dense.adamax(start, given_gradients, shared=shared, **RATES)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_torch_s_adamax_differs_only_in_where_eps_is_added() -> None:
    # Torch: u = max(beta_2 u, |g| + eps), p -= rate m / u. Here eps joins at the division. The
    # two steps differ by at most the share eps / u: 1e-5 for gradients above 1e-2.
    rng = np.random.default_rng(0)
    own = torch.from_numpy(rng.normal(size=7)).requires_grad_()
    other = own.detach().clone().requires_grad_()
    steps = optimiser([own])
    reference = torch.optim.Adamax([other], lr=1e-2, betas=(0.9, 0.95), eps=1e-7)
    for _ in range(20):
        gradient = torch.from_numpy(rng.uniform(0.01, 1, 7) * rng.choice([-1, 1], 7))
        steps.step([gradient])
        other.grad = gradient.clone()
        reference.step()
    assert_close(own, other, atol=20 * 1e-2 * 1e-5, rtol=0)


def test_the_first_step_is_the_rate_against_the_sign() -> None:
    parameter = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser([parameter]).step([torch.tensor([5.0, -0.01, 0.0]).double()])
    assert_close(parameter.detach(), torch.tensor([-1e-2, 1e-2, 0.0]).double(), rtol=1e-4, atol=0)


def test_a_rate_scales_the_step_and_not_the_state() -> None:
    ends = []
    for rate in (1.0, 0.25):
        parameter = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        steps = optimiser([parameter])
        steps.step([torch.tensor([5.0, -0.01, 0.3]).double()], rate)
        ends.append((parameter.detach(), steps.means[0], steps.norms[0]))
    assert_close(ends[1][0], 0.25 * ends[0][0])
    assert_close(ends[1][1:], ends[0][1:], atol=0, rtol=0)


def test_the_shared_norm_keeps_the_proportions_within_an_instrument() -> None:
    d = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    gradient = torch.tensor([[1.0, 1e-3], [0.1, 2e-3], [0.0, 4e-3]]).double()
    optimiser([d], shared_dim=0).step([gradient])
    moved = 1 - d.detach()
    # The loudest harmonic of each instrument moves by the rate, the others in proportion.
    expected = 1e-2 * gradient / gradient.amax(0)
    assert_close(moved, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("shared_dim", [None, 0])
def test_all_tensors_at_once_is_one_after_the_other(shared_dim: int | None) -> None:
    shapes, ends = [(4, 2), (3, 1), (5, 4)], []
    for n_together in (1, 2, 3):
        parameters = [torch.zeros(shape, requires_grad=True) for shape in shapes]
        steps = optimiser(parameters, shared_dim=shared_dim)
        steps.n_together = n_together
        for seed in range(3):
            given = (gradients(seed, 1, *shape)[0] for shape in shapes)
            steps.step(torch.from_numpy(gradient).float() for gradient in given)
        ends.append([parameter.detach() for parameter in parameters])
    assert_close(ends[1], ends[0], atol=0, rtol=0)
    assert_close(ends[2], ends[0], atol=0, rtol=0)


def test_zero_gradients_move_nothing() -> None:
    parameter = torch.ones(3, requires_grad=True)
    steps = optimiser([parameter])
    for _ in range(5):
        steps.step([torch.zeros(3)])
    assert_close(parameter.detach(), torch.ones(3), atol=0, rtol=0)


def test_the_state_taken_up_again_continues_to_the_bit() -> None:
    given_gradients = [torch.from_numpy(g) for g in gradients(0, 10, 4, 2)]
    through = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    steps = optimiser([through], shared_dim=0)
    for gradient in given_gradients[:6]:
        steps.step([gradient])
    again = through.detach().clone().requires_grad_()
    resumed = optimiser([again], shared_dim=0)
    resumed.load_state_dict(steps.state_dict())
    for gradient in given_gradients[6:]:
        steps.step([gradient])
        resumed.step([gradient])
    assert_close(again, through, atol=0, rtol=0)


def test_loading_copies_the_state() -> None:
    one, other = (optimiser([torch.zeros(2, requires_grad=True)]) for _ in range(2))
    one.step([torch.ones(2)])
    other.load_state_dict(one.state_dict())
    one.step([torch.full((2,), 100.0)])
    assert_close(other.norms[0], torch.ones(2), atol=0, rtol=0)


def test_a_wrong_state_or_number_of_gradients_is_refused() -> None:
    steps = optimiser([torch.zeros(2, requires_grad=True)])
    with pytest.raises(ValueError, match="not a state"):
        steps.load_state_dict({"n_steps": 1, "means": 2, "norms": []})
    with pytest.raises(ValueError, match="zip"):
        steps.load_state_dict({"n_steps": 1, "means": [], "norms": []})
    with pytest.raises(ValueError, match="zip"):
        steps.step([])
