"""Filters by line spectral frequencies: closed forms, order, stability."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.testing import assert_close

from musisep_cli.methods.source_filter.filters import (
    EVEN_SHARE,
    LEAST_OUTPUT,
    ORDER,
    activation,
    inverse_power,
    line_frequencies,
    response,
)
from tests.unit.methods.source_filter.made import flat

GRID = torch.linspace(0.01, math.pi - 0.01, 50, dtype=torch.float64)
outputs = arrays(np.float32, ORDER + 1, elements=st.floats(-1e4, 1e4, width=32))


def polynomial(frequencies: torch.Tensor) -> np.ndarray:
    """Coefficients of A by the products of its second-order factors."""
    even, odd = np.array([1.0, -1.0]), np.array([1.0, 1.0])
    for i, w in enumerate(frequencies.tolist()):
        factor = np.array([1.0, -2 * np.cos(w), 1.0])
        if i % 2:
            even = np.convolve(even, factor)
        else:
            odd = np.convolve(odd, factor)
    return ((odd + even) / 2)[:-1]  # the last coefficients of both cancel


def test_evenly_spaced_frequencies_give_a_flat_filter() -> None:
    assert_close(inverse_power(flat(), GRID), torch.ones_like(GRID), rtol=1e-6, atol=0)


def test_two_frequencies_give_the_coefficients_of_the_closed_form() -> None:
    w = torch.tensor([0.7, 1.9], dtype=torch.float64)
    a1, a2 = -math.cos(0.7) - math.cos(1.9), 1 - math.cos(0.7) + math.cos(1.9)
    z = torch.polar(torch.ones_like(GRID), -GRID)
    expected = (1 + a1 * z + a2 * z * z).abs().square()
    assert_close(inverse_power(w, GRID), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(polynomial(w), [1, a1, a2], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(outputs)
def test_any_outputs_give_ordered_frequencies_and_a_stable_filter(values: np.ndarray) -> None:
    found = line_frequencies(torch.from_numpy(values)).double()
    bounds = torch.cat([torch.zeros(1), found, torch.full((1,), math.pi)])
    assert float(bounds.diff().min()) > 0.9 * EVEN_SHARE * math.pi / (ORDER + 1)
    # All zeros of A lie inside the unit circle: around it, its phase comes back to where it was.
    circle = torch.linspace(0, math.pi, 1 << 15, dtype=torch.float64)
    phase = np.unwrap(-response(found, circle).angle().numpy())
    assert abs(phase[-1] - phase[0]) < 1e-6
    assert bool(torch.isfinite(inverse_power(found.float(), GRID.float())).all())


def test_the_closed_form_is_that_of_the_coefficients() -> None:
    generator = torch.Generator().manual_seed(0)
    w = line_frequencies(torch.randn(ORDER + 1, generator=generator, dtype=torch.float64))
    powers = torch.arange(ORDER + 1)
    z = torch.polar(torch.ones(50, ORDER + 1, dtype=torch.float64), -GRID[:, None] * powers)
    a = (z * torch.from_numpy(polynomial(w))).sum(-1)
    assert_close(inverse_power(w, GRID), a.abs().square(), rtol=1e-7, atol=1e-10)
    assert_close(response(w, GRID), 1 / a, rtol=1e-7, atol=1e-10)


def test_the_activation_is_within_its_bounds() -> None:
    found = activation(torch.tensor([-1e4, 0.0, 1e4]), 2.0)
    expected = torch.tensor([0.0, 2 * 0.5 ** math.log(10), 2.0]) + LEAST_OUTPUT
    assert_close(found, expected, rtol=1e-6, atol=0)


def test_the_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(ORDER + 1, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda o: inverse_power(line_frequencies(o), GRID).log(), x)
