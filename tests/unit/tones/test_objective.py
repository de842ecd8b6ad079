"""Lifted distances and the objective: closed forms in plain numpy, and finite at every size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.tones.objective import (
    ObjectiveConfig,
    lift,
    lifted_magnitude,
    magnitude_distance,
    objective,
    radial_distance,
)
from tests import dense, plain

CONFIG = ObjectiveConfig()
Q, DELTA = 0.5, 1e-7


def spectrum(seed: int, *shape: int) -> NDArray[np.complex128]:
    """Complex values whose magnitudes spread over twelve decades, some exactly 0."""
    rng = np.random.default_rng(seed)
    size = 10.0 ** rng.uniform(-10, 2, shape) * (rng.uniform(size=shape) > 0.1)
    return np.asarray(size * np.exp(2j * np.pi * rng.uniform(size=shape)))


def lifted(z: NDArray[np.complex128]) -> Tensor:
    return lift(torch.from_numpy(z), CONFIG)


def test_the_defaults_are_the_paper_s() -> None:
    assert (CONFIG.lift_exponent, CONFIG.lift_offset) == (Q, DELTA)
    weights = (CONFIG.weight_dictionary, CONFIG.weight_direct, CONFIG.weight_agreement)
    assert (*weights, CONFIG.sparsity) == (10, 10, 1, 0.9)


@given(st.integers(0, 10**6))
def test_lift_is_its_formula(seed: int) -> None:
    z = spectrum(seed, 50)
    np.testing.assert_allclose(lifted(z).numpy(), dense.lift(z, Q, DELTA), rtol=1e-6, atol=1e-14)


@given(st.integers(0, 10**6), st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from([1e-7, 1e-3]))
def test_the_lifted_magnitude_is_that_of_the_lift(seed: int, q: float, delta: float) -> None:
    z = torch.from_numpy(spectrum(seed, 50))
    config = ObjectiveConfig(lift_exponent=q, lift_offset=delta)
    # The difference of two powers near delta^q loses what lies below their rounding.
    torch.testing.assert_close(
        lifted_magnitude(z, config), lift(z, config).abs(), rtol=1e-6, atol=1e-13
    )
    single = lifted_magnitude(z.to(torch.complex64), config)
    expected = lift(z, config).abs().float()
    torch.testing.assert_close(single, expected, rtol=1e-4, atol=3e-7 * delta**q)
    assert bool((single >= 0).all())


@pytest.mark.parametrize("q", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("delta", [1e-7, 1e-3, 1.0])
def test_lift_with_other_constants(q: float, delta: float) -> None:
    z = spectrum(0, 50)
    config = ObjectiveConfig(lift_exponent=q, lift_offset=delta)
    actual = lift(torch.from_numpy(z), config).numpy()
    np.testing.assert_allclose(actual, dense.lift(z, q, delta), rtol=1e-6, atol=1e-14)


@given(st.integers(0, 10**6))
def test_distances_are_their_formulas(seed: int) -> None:
    a, b = spectrum(seed, 2, 50)
    magnitude = float(magnitude_distance(lifted(a), lifted(b)))
    assert magnitude == pytest.approx(dense.d_abs(a, b, Q, DELTA), rel=1e-6)
    radial = float(radial_distance(lifted(a), lifted(b)))
    assert radial == pytest.approx(dense.d_rad(a, b, Q, DELTA), rel=1e-6)


@given(st.integers(0, 10**6))
def test_distances_are_symmetric_not_negative_and_0_on_equality(seed: int) -> None:
    a, b = lifted(spectrum(seed, 2, 50))
    for distance in (magnitude_distance, radial_distance):
        assert float(distance(a, a)) == 0
        assert float(distance(a, b)) >= 0
        assert_close(distance(a, b), distance(b, a))
    turned = a * np.exp(1.7j)
    assert float(magnitude_distance(a, turned)) == pytest.approx(0, abs=1e-25)
    assert float(radial_distance(a, turned)) > 0
    assert float(magnitude_distance(a, b)) <= float(radial_distance(a, b)) * (1 + 1e-12)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-25, 1e-7, 1.0, 1e4, 1e15])
@pytest.mark.parametrize("reference", [0.0, 1e-40, 0.3, 1e4])
def test_values_and_gradients_are_finite_at_every_size(
    dtype: torch.dtype, size: float, reference: float
) -> None:
    # 19 bins: torch takes one path for full vector registers, another for the rest.
    y = torch.full((1, 2, 19), size, dtype=dtype)
    tones, direct = y.clone().requires_grad_(), (1j * y).requires_grad_()
    terms = objective(
        reference=torch.full((1, 19), reference, dtype=dtype),
        dictionary_tones=tones,
        direct_tones=direct,
        on=torch.tensor([[1.0, 0.0]]),
        config=CONFIG,
    )
    assert math.isfinite(terms.total.item())
    for gradient in torch.autograd.grad(terms.total.sum(), [tones, direct]):
        assert bool(torch.isfinite(torch.view_as_real(gradient)).all())


def test_lift_at_tiny_magnitudes_is_linear_with_the_slope_at_0() -> None:
    z = torch.tensor([1e-40, 1e-30, 1e-20, 1e-12], dtype=torch.complex128)
    assert_close(lift(z, CONFIG), z * Q * DELTA ** (Q - 1), rtol=1e-4, atol=0)
    small = torch.tensor([1e-40], dtype=torch.complex64)  # a subnormal number
    assert_close(lift(small, CONFIG), small * Q * DELTA ** (Q - 1), rtol=1e-3, atol=0)


def test_float32_agrees_with_float64() -> None:
    z = spectrum(3, 2000)
    single = lift(torch.from_numpy(z).to(torch.complex64), CONFIG)
    assert_close(single.to(torch.complex128), lifted(z), rtol=2e-6, atol=1e-12)


def test_gradients_against_finite_differences() -> None:
    rng = np.random.default_rng(0)
    parts = torch.from_numpy(rng.normal(0, 0.1, (4, 2, 3, 2)))
    reference = torch.view_as_complex(parts[0, 0])
    tones, direct = (parts[n].clone().requires_grad_() for n in (1, 2))
    on = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def total(tones: Tensor, direct: Tensor) -> Tensor:
        return objective(
            reference=reference,
            dictionary_tones=torch.view_as_complex(tones),
            direct_tones=torch.view_as_complex(direct),
            on=on,
            config=CONFIG,
        ).total

    assert torch.autograd.gradcheck(total, (tones, direct))
    # At magnitudes near delta, where the lift bends.
    near = (1e-7 * parts[3, 0] * 10).clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: 1e3 * torch.view_as_real(lift(torch.view_as_complex(z), CONFIG)),
        (near,),
        eps=1e-11,
        atol=1e-2,  # beside derivatives of 1e6
        rtol=1e-3,
    )


@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([0.9, 1.0, 0.5]))
def test_the_objective_is_equation_21(seed: int, n_tones: int, sparsity: float) -> None:
    n_rollouts, n_bins = 3, 12
    rng = np.random.default_rng(seed)
    reference = spectrum(seed, n_rollouts, n_bins)
    tones, direct = spectrum(seed + 1, 2, n_rollouts, n_tones, n_bins)
    on = rng.integers(0, 2, (n_rollouts, n_tones)).astype(float)
    mu = (3.0, 5.0, 0.7)
    config = ObjectiveConfig(
        weight_dictionary=mu[0],
        weight_direct=mu[1],
        weight_agreement=mu[2],
        sparsity=sparsity,
    )
    terms = objective(
        reference=torch.from_numpy(reference),
        dictionary_tones=torch.from_numpy(tones),
        direct_tones=torch.from_numpy(direct),
        on=torch.from_numpy(on),
        config=config,
    )
    for k in range(n_rollouts):
        expected = dense.objective(
            reference[k], tones[k], direct[k], on[k], mu=mu, sparsity=sparsity
        )
        assert float(terms.total[k]) == pytest.approx(expected, rel=1e-6)
    assert_close(
        terms.total, mu[0] * terms.dictionary + mu[1] * terms.direct + mu[2] * terms.agreement
    )


def test_each_tone_fewer_saves_a_tenth_of_the_first_term() -> None:
    reference = spectrum(0, 1, 12)
    nothing = np.zeros((1, 3, 12), complex)

    def first_term(on: list[float]) -> float:
        terms = objective(
            reference=torch.from_numpy(reference),
            dictionary_tones=torch.from_numpy(nothing),
            direct_tones=torch.from_numpy(nothing),
            on=torch.tensor([on], dtype=torch.float64),
            config=CONFIG,
        )
        return float(terms.dictionary)

    full = dense.d_abs(reference[0], nothing[0, 0], Q, DELTA)
    for n_off in range(4):
        assert first_term([0.0] * n_off + [1.0] * (3 - n_off)) == pytest.approx(full * 0.9**n_off)


@given(st.integers(0, 9), st.integers(1, 50))
def test_the_radial_distance_and_its_gradient_equal_the_plain_ones(seed: int, n_bins: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    reference, estimate = torch.randn(2, 3, n_bins, dtype=torch.complex64, generator=generator)
    estimate.requires_grad_()
    fast, slow = (d(reference, estimate) for d in (radial_distance, plain.radial_distance))
    assert_close(fast, slow)
    assert_close(*(torch.autograd.grad(d.sum(), [estimate])[0] for d in (fast, slow)))
