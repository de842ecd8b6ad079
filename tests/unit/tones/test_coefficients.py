"""Least squares for the harmonics' coefficients, against a dense orthogonal factorisation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.peaks import Peaks, harmonic_positions
from tests import dense, plain

N_BINS = 128
WIDTH = 1.91
TIKHONOV = 1e-3


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


def solve(centres: Tensor, width: Tensor, v: Tensor, tikhonov: float = TIKHONOV) -> Tensor:
    return harmonic_coefficients(Peaks.of(centres, width, v.shape[-1]), v, tikhonov=tikhonov)


def width_of(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(
    st.lists(st.floats(16, N_BINS - 17), min_size=1, max_size=8),
    st.floats(1.0, 2.6),
    st.sampled_from([1e-3, 1e-1]),
    st.integers(0, 1000),
)
def test_coefficients_are_the_dense_least_squares(
    centres: list[float], width: float, tikhonov: float, seed: int
) -> None:
    v = complex_normal(N_BINS, seed=seed)
    actual = solve(torch.tensor([centres]).double(), width_of(width), v[None], tikhonov)[0]
    # The closed form is the sum over all bins: 6 widths of room on either side.
    g = dense.peaks(np.array(centres, np.float32).astype(float), width, N_BINS)
    expected = dense.least_squares(g, v.numpy(), tikhonov)
    # The Gram matrix is off by 2 exp(-pi^2 sigma^2), 1e-4 at width 1.
    scale = abs(expected).max()
    np.testing.assert_allclose(actual.numpy(), expected, atol=2e-3 * scale + 1e-6)
    if width > 1.7:
        np.testing.assert_allclose(actual.numpy(), expected, atol=1e-4 * scale)


@pytest.mark.parametrize("width", [0.134, 0.3, 0.5])
@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5])
def test_a_narrow_tone_is_solved_as_well(width: float, fraction: float) -> None:
    centres = np.array([20.0, 40.0, 60.0]) + fraction
    v = complex_normal(N_BINS)
    actual = solve(torch.from_numpy(centres)[None], width_of(width), v[None])[0].numpy()
    expected = dense.least_squares(dense.peaks(centres, width, N_BINS), v.numpy(), TIKHONOV)
    np.testing.assert_allclose(actual, expected, atol=0.02 * abs(expected).max())


@given(st.floats(16, 24), st.integers(0, 1000))
def test_the_coefficients_of_a_rendered_tone_are_found_again(f0_bins: float, seed: int) -> None:
    centres = harmonic_positions(width_of(f0_bins), width_of(1e-4), 4)
    peaks = Peaks.of(centres, width_of(WIDTH), N_BINS)
    c = complex_normal(1, 4, seed=seed)
    found = harmonic_coefficients(peaks, peaks.render(c), tikhonov=1e-9)
    assert_close(found, c, atol=1e-6, rtol=0)


def test_the_regularisation_shrinks_by_its_share_of_the_diagonal() -> None:
    # One peak: c = <g, v> / (G + eps), G = sigma sqrt(pi) = 3.385 at the ideal width.
    peaks = Peaks.of(width_of(50.3)[None], width_of(WIDTH), N_BINS)
    v = peaks.render(torch.tensor([[1.0 + 2.0j]], dtype=torch.complex128))
    found = harmonic_coefficients(peaks, v, tikhonov=0.1)
    diagonal = WIDTH * np.sqrt(np.pi)
    assert complex(found[0, 0]) == pytest.approx((1 + 2j) * diagonal / (diagonal + 0.1), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("f0_bins", [0.0, 1e-3, -5.0, 0.3])
def test_harmonics_that_coincide_stay_finite(dtype: torch.dtype, f0_bins: float) -> None:
    f0 = torch.tensor([f0_bins], dtype=dtype, requires_grad=True)
    width = torch.tensor([WIDTH], dtype=dtype, requires_grad=True)
    v = complex_normal(1, N_BINS).to(
        torch.complex64 if dtype == torch.float32 else torch.complex128
    )
    v.requires_grad_()
    centres = harmonic_positions(f0, torch.zeros_like(f0), 25)
    c = solve(centres, width, v)
    assert bool(torch.isfinite(torch.view_as_real(c)).all())
    # Each takes an equal share, bounded by |<g, v>| / eps.
    assert c.abs().max().item() < 1e4
    gradients = torch.autograd.grad(torch.view_as_real(c).square().sum(), [f0, width, v])
    for gradient in gradients:
        gradient = torch.view_as_real(gradient) if gradient.is_complex() else gradient
        assert bool(torch.isfinite(gradient).all())


def test_coinciding_harmonics_share_equally() -> None:
    centres = torch.full((1, 5), 40.0, dtype=torch.float64)
    peaks = Peaks.of(centres, width_of(WIDTH), N_BINS)
    v = peaks.render(torch.ones(1, 5, dtype=torch.complex128))
    c = harmonic_coefficients(peaks, v, tikhonov=TIKHONOV)
    assert_close(c, torch.ones_like(c), rtol=1e-3, atol=0)


def test_a_harmonic_outside_the_spectrum_gets_nothing() -> None:
    centres = width_of(50.0, 100.0, 150.0)[None]
    c = solve(centres, width_of(WIDTH), complex_normal(1, N_BINS))
    assert abs(complex(c[0, 2])) < 1e-15
    assert abs(complex(c[0, 1])) > 1e-3


def test_float32_agrees_with_float64() -> None:
    centres = harmonic_positions(width_of(9.0, 20.5), width_of(1e-3, 0.0), 6)
    v = complex_normal(2, N_BINS)
    width = width_of(1.91, 3.0)
    double = solve(centres, width, v)
    single = solve(centres.float(), width.float(), v.to(torch.complex64))
    assert single.dtype == torch.complex64
    assert_close(single.to(torch.complex128), double, atol=1e-4, rtol=1e-4)


def test_gradients_against_finite_differences() -> None:
    centres = torch.tensor([[8.2, 24.7, 28.1], [10.1, 10.6, 20.3]], dtype=torch.float64)
    v = complex_normal(2, 36)

    def coefficients(centres: Tensor, width: Tensor, v: Tensor) -> Tensor:
        return torch.view_as_real(solve(centres, width, v, tikhonov=1e-2))

    inputs = (centres.requires_grad_(), width_of(1.9, 2.45).requires_grad_(), v.requires_grad_())
    assert torch.autograd.gradcheck(coefficients, inputs, atol=1e-4)


def test_the_direct_spectra_equal_the_plain_ones_to_float32_rounding() -> None:
    spectra = complex_normal(9, 3072).to(torch.complex64)
    positions, widths = plain.harmonics_and_widths(len(spectra))
    peaks = Peaks.of(positions, widths, spectra.shape[-1])
    fast = peaks.render(harmonic_coefficients(peaks, spectra, tikhonov=plain.TIKHONOV))
    assert_close(fast, plain.direct_spectra(spectra), atol=1e-5, rtol=0)
