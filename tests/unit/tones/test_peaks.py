"""Tones: harmonic positions, peaks, their rendering and its adjoint, against dense sums."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.tones.peaks import Peaks, harmonic_positions, magnitude
from tests import dense, plain

N_BINS = 96
TRUNCATION = math.exp(-18)
"""A peak is cut where it is below this (6 widths)."""


def f64(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


MakePeaks = Callable[[Tensor, Tensor, int], Peaks]
both_ways = pytest.mark.parametrize("make", [Peaks.of, Peaks.everywhere], ids=["CPU", "GPU"])
"""On a CPU in windows; on a GPU in all bins."""

widths = st.floats(0.13, 12.0)
place = st.floats(-30.0, N_BINS + 30.0)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-25, 1e-12, 1e-7, 1.0, 1e4, 1e15])
def test_magnitude_has_a_finite_slope_everywhere(dtype: torch.dtype, size: float) -> None:
    # 19 numbers: torch takes one path for full vector registers, another for the rest.
    z = torch.full((19,), size, dtype=dtype) * (0.6 - 0.8j)
    z.requires_grad_()
    value = magnitude(z)
    assert_close(value.double(), torch.full((19,), size).double(), rtol=1e-6, atol=2e-18)
    (gradient,) = torch.autograd.grad(value.sum(), [z])
    assert bool((magnitude(gradient) <= 1 + 1e-6).all())
    if size >= 1e-12:
        assert_close(gradient, torch.full_like(z, 0.6 - 0.8j), rtol=1e-6, atol=0)


@given(st.floats(-5, 6144), st.floats(0, 0.1))
def test_positions_are_equation_3(f0_bins: float, inharmonicity: float) -> None:
    actual = harmonic_positions(f64(f0_bins), f64(inharmonicity), 25)
    assert actual.shape == (1, 25)
    expected = dense.positions(f0_bins, inharmonicity, 25)
    np.testing.assert_allclose(actual[0].numpy(), expected, rtol=1e-14)


def test_positions_of_a_known_tone() -> None:
    # b = 0.01: sqrt(1.01), 2 sqrt(1.04), 3 sqrt(1.09)
    actual = harmonic_positions(f64(100.0), f64(0.01), 3)
    expected = [100.49875621, 203.96078054, 313.20919527]
    np.testing.assert_allclose(actual[0].numpy(), expected, rtol=1e-9)


@both_ways
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inharmonicity", [0.0, 1e-30, 1e10, 1e25])
def test_no_inharmonicity_breaks_a_tone(
    make: MakePeaks, dtype: torch.dtype, inharmonicity: float
) -> None:
    f0 = torch.tensor([500.0, -5.0, 0.0], dtype=dtype, requires_grad=True)
    b = torch.full((3,), inharmonicity, dtype=dtype)
    width = torch.full((3,), 1.9, dtype=dtype, requires_grad=True)
    peaks = make(harmonic_positions(f0, b, 25), width, N_BINS)
    spectrum = peaks.render(torch.ones(3, 25, dtype=dtype.to_complex()))
    assert bool(torch.isfinite(torch.view_as_real(spectrum)).all())
    torch.view_as_real(spectrum).square().sum().backward()
    for gradient in (f0.grad, width.grad):
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())


@both_ways
@given(st.lists(place, min_size=1, max_size=6), widths)
@example([0.0], 0.134)
@example([N_BINS - 1.0], 12.0)
def test_rendering_is_the_dense_sum(make: MakePeaks, centres: list[float], width: float) -> None:
    c = complex_normal(1, len(centres))
    spectrum = make(f64(*centres)[None], f64(width), N_BINS).render(c)
    expected = c[0].numpy() @ dense.peaks(np.array(centres), width, N_BINS)
    tolerance = TRUNCATION * float(c.abs().sum())
    np.testing.assert_allclose(spectrum[0].numpy(), expected, atol=tolerance)


@both_ways
@given(st.lists(place, min_size=1, max_size=6), widths)
def test_correlation_is_the_dense_sum(make: MakePeaks, centres: list[float], width: float) -> None:
    v = complex_normal(1, N_BINS)
    products = make(f64(*centres)[None], f64(width), N_BINS).correlate(v)
    expected = dense.peaks(np.array(centres), width, N_BINS) @ v[0].numpy()
    tolerance = TRUNCATION * float(v.abs().sum())
    np.testing.assert_allclose(products[0].numpy(), expected, atol=tolerance)


@both_ways
@given(st.integers(0, 10**6))
def test_rendering_and_correlation_are_adjoint(make: MakePeaks, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = torch.from_numpy(rng.uniform(-20, N_BINS + 20, (4, 7)))
    peaks = make(centres, torch.from_numpy(rng.uniform(0.13, 5, 4)), N_BINS)
    c, v = complex_normal(4, 7, seed=seed), complex_normal(4, N_BINS, seed=seed + 1)
    left = torch.linalg.vecdot(v, peaks.render(c))
    right = torch.linalg.vecdot(peaks.correlate(v), c)
    assert_close(left, right, atol=1e-12, rtol=1e-12)


@both_ways
def test_tones_of_one_batch_do_not_mix(make: MakePeaks) -> None:
    centres, width = f64(20.0, 30.0)[None], f64(1.9)
    c = complex_normal(1, 2)
    alone = make(centres, width, N_BINS).render(c)
    beside = make(torch.cat([centres, f64(5.0, 90.0)[None]]), f64(1.9, 9.0), N_BINS).render(
        torch.cat([c, complex_normal(1, 2, seed=1)])
    )
    assert_close(beside[0], alone[0], atol=TRUNCATION, rtol=0)


@both_ways
def test_float32_is_the_dense_sum_to_its_rounding(make: MakePeaks) -> None:
    # At bin 6000 a float32 position is known to 2.4e-4 bins: an error of 1e-4 of the peak.
    centres, width = torch.tensor([[300.25, 600.5, 900.75]]), torch.tensor([1.91])
    c = complex_normal(1, 3)
    spectrum = make(centres, width, 1024).render(c.to(torch.complex64))
    expected = c[0].numpy() @ dense.peaks(centres[0].double().numpy(), 1.91, 1024)
    np.testing.assert_allclose(spectrum[0].numpy(), expected, atol=5e-7)


@both_ways
@pytest.mark.parametrize("centre", [-1e3, -60.0, N_BINS + 60.0, 1e6, 1e12])
def test_a_harmonic_far_outside_contributes_nothing(make: MakePeaks, centre: float) -> None:
    place = torch.tensor([[centre]], dtype=torch.float64, requires_grad=True)
    width = f64(3.0).requires_grad_()
    peaks = make(place, width, N_BINS)
    spectrum = peaks.render(torch.ones(1, 1, dtype=torch.complex128))
    products = peaks.correlate(complex_normal(1, N_BINS))
    gradients = torch.autograd.grad(torch.view_as_real(spectrum).sum(), [place, width])
    for nothing in (spectrum, products, *gradients):  # 20 widths away: exp(-200)
        assert_close(nothing, torch.zeros_like(nothing), atol=1e-80, rtol=0)


@both_ways
def test_a_harmonic_just_outside_leaves_its_tail(make: MakePeaks) -> None:
    spectrum = make(f64(-1.0)[None], f64(1.9), N_BINS).render(
        torch.ones(1, 1, dtype=torch.complex128)
    )
    assert float(spectrum[0, 0].real) == pytest.approx(math.exp(-1 / (2 * 1.9**2)))


@both_ways
@pytest.mark.parametrize("width", [1e3, 1e6])
def test_a_very_wide_peak_is_the_dense_sum(make: MakePeaks, width: float) -> None:
    centres = f64(10.0, 5 * N_BINS)[None]
    c = torch.ones(1, 2, dtype=torch.complex128)
    spectrum = make(centres, f64(width), N_BINS).render(c)
    expected = c[0].numpy() @ dense.peaks(centres[0].numpy(), width, N_BINS)
    np.testing.assert_allclose(spectrum[0].numpy(), expected, atol=1e-7)


@both_ways
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_width_that_is_no_number_does_not_raise(make: MakePeaks, value: float) -> None:
    # It has to show in the spectrum, for the trainer to count the step as not finite.
    peaks = make(f64(10.0, 20.0)[None].expand(2, 2), f64(value, 1.9), N_BINS)
    assert peaks.render(torch.ones(2, 2, dtype=torch.complex128)).shape == (2, N_BINS)


@both_ways
@pytest.mark.parametrize(
    ("width", "tolerance"),
    # Relative to the diagonal. At the width floor, 0.07 of the ideal width, as exact as needed
    # beside the regularisation of 1e-3.
    [(1.91, 1e-7), (0.955, 1e-7), (0.6, 1e-5), (0.4, 1e-4), (0.134, 1e-3)],
)
@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5])
def test_gram_is_the_dense_sum(
    make: MakePeaks, width: float, tolerance: float, fraction: float
) -> None:
    centres = fraction + np.array([20.0, 20.3, 21.0, 22.5, 40.0])
    g = dense.peaks(centres, width, N_BINS)
    gram = make(torch.from_numpy(centres)[None], f64(width), N_BINS).gram()[0]
    np.testing.assert_allclose(gram.numpy(), g @ g.T, atol=tolerance * width * math.sqrt(math.pi))


@both_ways
@given(st.lists(place, min_size=2, max_size=6), widths)
def test_gram_is_symmetric_and_positive_beside_the_regularisation(
    make: MakePeaks, centres: list[float], width: float
) -> None:
    gram = make(f64(*centres)[None], f64(width), N_BINS).gram()[0]
    assert_close(gram, gram.T, atol=1e-13, rtol=0)
    # A truncated series may leave a small negative eigenvalue: far below the 1e-3 that is added.
    assert float(torch.linalg.eigvalsh(gram).min()) > -1e-4


@both_ways
def test_gradients_against_finite_differences(make: MakePeaks) -> None:
    # No centre half-way between bins: the window would jump there, by a truncation error.
    centres = f64(9.7, 20.2, 31.4, 12.4, 12.9, 60.0).reshape(2, 3).requires_grad_()
    width = f64(1.9, 2.3).requires_grad_()
    c = complex_normal(2, 3).requires_grad_()
    v = complex_normal(2, N_BINS).requires_grad_()

    def render(centres: Tensor, width: Tensor, c: Tensor) -> Tensor:
        return torch.view_as_real(make(centres, width, N_BINS).render(c))

    def correlate(centres: Tensor, width: Tensor, v: Tensor) -> Tensor:
        return torch.view_as_real(make(centres, width, N_BINS).correlate(v))

    def gram(centres: Tensor, width: Tensor) -> Tensor:
        return make(centres, width, N_BINS).gram()

    assert torch.autograd.gradcheck(render, (centres, width, c))
    assert torch.autograd.gradcheck(correlate, (centres, width, v))
    assert torch.autograd.gradcheck(gram, (centres, width))
    assert torch.autograd.gradcheck(
        lambda f0, b: harmonic_positions(f0, b, 4),
        (f64(50.0, 7.0).requires_grad_(), f64(0.01, 0.3).requires_grad_()),
    )


@given(st.integers(0, 9), st.floats(-20, 3))
def test_the_magnitude_and_its_gradient_equal_the_plain_ones(seed: int, exponent: float) -> None:
    values = (10**exponent * complex_normal(5, 7, seed=seed)).to(torch.complex64)
    values[0, 0] = 0
    values.requires_grad_()
    fast, slow = magnitude(values), plain.magnitude(values)
    assert_close(fast, slow)
    assert_close(*(torch.autograd.grad(m.sum(), [values])[0] for m in (fast, slow)))
