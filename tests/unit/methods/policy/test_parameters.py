"""Tone parameters: start scales and bounds, from any raw output to a valid value."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.methods.policy.parameters import (
    Output,
    OutputScales,
    ParameterConfig,
    gamma_parameters,
    offset_bins,
    width_bins,
)
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.dictionary import amplitude_estimate
from musisep_cli.tones.peaks import Peaks, harmonic_positions

CONFIG = ParameterConfig()
IDEAL = 6 / math.pi
EXTREMES = [0.0, 1e-30, 1.0, -1.0, 40.0, -40.0, 1e6, -1e6, 1e30, -1e30]


def f64(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_start_scales_are_the_authors() -> None:
    scales = OutputScales(CONFIG, 2)(torch.ones(1, 18, 1))[0, :, :, 0]
    expected = {
        Output.LOGIT: 10_000,
        Output.AMPLITUDE: 1,
        Output.WIDTH: 3,
        Output.OFFSET: 1,
        Output.GAMMA_SHAPE: 30,
        Output.GAMMA_RATE: 30,
        Output.SPECTRUM_REAL: 1,
        Output.SPECTRUM_IMAG: 1,
        Output.ON_LOGIT: 1_000,
    }
    assert len(Output) == len(expected) == 9
    for output, scale in expected.items():
        np.testing.assert_allclose(scales[output].detach().numpy(), scale, rtol=1e-5)


def test_each_output_of_each_instrument_has_one_scale() -> None:
    scales = OutputScales(CONFIG, 3)
    assert sum(p.numel() for p in scales.parameters()) == 27
    with torch.no_grad():
        scales.drift[Output.WIDTH, 1] = 1e-3
    raw = torch.ones(2, 27, 5)
    before, after = OutputScales(CONFIG, 3)(raw).detach(), scales(raw).detach()
    assert after.shape == (2, 9, 3, 5)
    changed = (before != after).any(-1).any(0).nonzero().tolist()
    assert changed == [[Output.WIDTH, 1]]
    # Trained as a logarithm: near the start, a step of 1e-3 is a factor of exp(1e-3).
    ratio = float(after[0, Output.WIDTH, 1, 0] / before[0, Output.WIDTH, 1, 0])
    assert ratio == pytest.approx(math.exp(1e-3), rel=1e-5)


@pytest.mark.parametrize("drift", [-1e9, -1e3, 1e3, 1e9])
def test_a_scale_stays_positive_and_within_its_range(drift: float) -> None:
    scales = OutputScales(CONFIG, 1)
    with torch.no_grad():
        scales.drift.fill_(drift)
    ratio = scales(torch.ones(1, 9, 1)) / OutputScales(CONFIG, 1)(torch.ones(1, 9, 1))
    limit = CONFIG.scale_range if drift > 0 else 1 / CONFIG.scale_range
    np.testing.assert_allclose(ratio.detach().numpy(), limit, rtol=1e-3)


def test_instrument_and_bin_keep_their_place() -> None:
    raw = torch.arange(1.0, 1 + 18 * 4).reshape(1, 18, 4)
    outputs = OutputScales(CONFIG, 2)(raw)[0].detach()
    # Row 2 o + i of the network's output belongs to output o of instrument i.
    for output in Output:
        scale = float(outputs[output, 0, 0] / raw[0, 2 * output, 0])
        np.testing.assert_allclose(
            (outputs[output] / scale).detach().numpy(),
            raw[0, 2 * output : 2 * output + 2],
            rtol=1e-5,
        )


@given(st.floats(-50, 50))
def test_width_is_a_softplus_with_a_floor(raw: float) -> None:
    expected = math.log1p(math.exp(max(raw, -3.0))) / math.log(2) * IDEAL
    actual = float(width_bins(f64(raw), CONFIG, ideal=IDEAL))
    assert actual == pytest.approx(expected, rel=1e-9)
    assert actual >= 0.07 * IDEAL


def test_the_width_starts_at_the_ideal_one() -> None:
    assert float(width_bins(f64(0.0), CONFIG, ideal=IDEAL)) == pytest.approx(IDEAL)
    floor = float(width_bins(f64(-1e9), CONFIG, ideal=IDEAL))
    assert floor / IDEAL == pytest.approx(0.07, abs=1e-3)


@pytest.mark.parametrize("raw", [1.0, 30.0, 1e3, 1e15])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_peaks_of_any_width_have_coefficients(raw: float, dtype: torch.dtype) -> None:
    # Of the widest all harmonics are one but for rounding: the regularisation has to exceed it.
    widths = width_bins(torch.full((8,), raw, dtype=dtype), CONFIG, ideal=IDEAL)
    f0_bins = 20.0 + 37.0 * torch.arange(8, dtype=dtype)
    peaks = Peaks.of(harmonic_positions(f0_bins, 0 * f0_bins, 25), widths, 3072)
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(8, 3072, 2, generator=generator, dtype=dtype)
    found = harmonic_coefficients(peaks, torch.view_as_complex(parts), tikhonov=1e-3)
    assert bool(torch.isfinite(torch.view_as_real(found)).all())


@given(st.floats(-50, 50))
def test_offset_is_five_bins_times_tanh(raw: float) -> None:
    assert float(offset_bins(f64(raw), CONFIG)) == pytest.approx(5 * math.tanh(raw), abs=1e-12)


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_gamma_parameters_are_clipped_exponentials(shape: float, rate: float) -> None:
    actual = gamma_parameters(f64(shape), f64(rate), CONFIG)
    assert float(actual[0]) == pytest.approx(math.exp(np.clip(shape, -30, 30)), rel=1e-12)
    assert float(actual[1]) == pytest.approx(1000 * math.exp(np.clip(rate, -30, 30)), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("raw", EXTREMES)
def test_every_raw_value_gives_valid_values_and_finite_gradients(
    dtype: torch.dtype, raw: float
) -> None:
    x = torch.tensor([raw], dtype=dtype, requires_grad=True)
    shape, rate = gamma_parameters(x, x, CONFIG)
    width, offset = width_bins(x, CONFIG, ideal=IDEAL), offset_bins(x, CONFIG)
    for value in (shape, rate, width):
        assert 0 < value.item() < math.inf
    assert abs(offset.item()) <= 5
    for value in (shape, rate, width, offset):
        (gradient,) = torch.autograd.grad(value.sum(), [x])
        assert bool(torch.isfinite(gradient).all())


@given(st.integers(0, 10**6))
def test_amplitude_estimate_is_the_best_in_the_lifted_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = rng.uniform(0, 0.3, 6) * np.exp(2j * np.pi * rng.uniform(size=6))
    d = rng.uniform(0, 1, 6)
    a = float(amplitude_estimate(torch.from_numpy(c)[None], torch.from_numpy(d)[None]))

    def cost(amplitude: float) -> float:
        return float(np.sum((np.sqrt(abs(c)) - np.sqrt(amplitude * d)) ** 2))

    grid = a * np.array([0.9, 0.99, 1.01, 1.1])
    assert all(cost(a) < cost(other) for other in grid)


def test_amplitude_estimate_finds_the_amplitude_of_a_tone_of_the_dictionary() -> None:
    d = f64(1.0, 0.5, 0.0, 0.2)[None]
    c = 0.07 * d * torch.exp(1j * f64(0.3, -2.0, 0.0, 1.0))
    assert float(amplitude_estimate(c, d)) == pytest.approx(0.07, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-3])
@pytest.mark.parametrize("relative", [-0.1, 0.0, 1e-6, 1.0])
def test_amplitude_estimate_is_finite_with_nothing_to_estimate(
    dtype: torch.dtype, size: float, relative: float
) -> None:
    c = torch.full((1, 3), size, dtype=dtype).to(torch.complex128).requires_grad_()
    d = torch.full((1, 3), relative, dtype=dtype, requires_grad=True)
    a = amplitude_estimate(c, d)
    assert 0 <= a.item() < math.inf
    gradient_c, gradient_d = torch.autograd.grad(a.sum(), [c, d])
    assert bool(torch.isfinite(torch.view_as_real(gradient_c)).all())
    assert bool(torch.isfinite(gradient_d).all())


def test_amplitude_estimate_gradient_against_finite_differences() -> None:
    c = torch.view_as_complex(
        torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    d = f64(1.0, 0.5, 0.1, 0.2, 0.9, 0.4).reshape(2, 3)
    assert torch.autograd.gradcheck(amplitude_estimate, (c.requires_grad_(), d.requires_grad_()))


def test_doubling_both_gives_the_same_dtype() -> None:
    shape, rate = gamma_parameters(torch.zeros(3), torch.zeros(3), CONFIG)
    assert shape.dtype == rate.dtype == torch.float64
    assert_close(shape / rate, torch.full((3,), 1e-3, dtype=torch.float64))
