"""Banded: the same coefficients as by the whole matrix, in every corner."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.tones.banded import banded_coefficients
from musisep_cli.tones.coefficients import coefficients_in_channels
from musisep_cli.tones.peaks import FAR_BINS, Peaks

N_BINS = 200
SEEDS = st.integers(0, 2**20)


def random_rows(seed: int, n_peaks: int, width: float) -> tuple[Peaks, torch.Tensor, torch.Tensor]:
    """Two rows of peaks in any order, some in one place, some out of sight; spectra, weights."""
    generator = np.random.default_rng(seed)
    positions = generator.uniform(-20, 1.2 * N_BINS, (2, n_peaks))
    positions[0, : n_peaks // 2] = positions[0, -1] + generator.normal(size=n_peaks // 2)
    positions[1, 0] = FAR_BINS
    places = torch.from_numpy(positions)
    peaks = Peaks.of(places, torch.tensor([width, 1.2 * width], dtype=torch.float64), N_BINS)
    spectra = torch.from_numpy(generator.normal(size=(3, 2, N_BINS, 2)))
    weights = torch.from_numpy(generator.uniform(0.01, 1, (2, n_peaks)))
    return peaks, torch.view_as_complex(spectra), weights


@given(SEEDS, st.integers(2, 40), st.sampled_from([0.5, 1.0, 1.91, 4.0]))
def test_coefficients_are_those_of_the_whole_matrix(seed: int, n_peaks: int, width: float) -> None:
    peaks, spectra, weights = random_rows(seed, n_peaks, width)
    expected = coefficients_in_channels(peaks, spectra, tikhonov=weights)  # float64: no band
    products = torch.stack([peaks.correlate(channel) for channel in spectra], -1)
    found = banded_coefficients(
        peaks.positions.numpy(), peaks.widths.numpy(), weights.numpy(), products.numpy(), N_BINS
    )
    assert_allclose(np.moveaxis(found, -1, 0), expected.numpy(), atol=1e-5, rtol=1e-5)
    assert (found[1, 0] == 0).all()


@given(SEEDS, st.integers(2, 40))
def test_single_precision_takes_the_band(seed: int, n_peaks: int) -> None:
    peaks, spectra, weights = random_rows(seed, n_peaks, 1.91)
    expected = coefficients_in_channels(peaks, spectra, tikhonov=weights)
    single = Peaks.of(peaks.positions.float(), peaks.widths.float(), N_BINS)
    found = coefficients_in_channels(
        single, spectra.to(torch.complex64), tikhonov=weights.float().requires_grad_(False)
    )
    assert found.dtype == torch.complex64
    assert_allclose(found.numpy(), expected.numpy(), atol=2e-3, rtol=2e-3)
    asked = coefficients_in_channels(
        single, spectra.to(torch.complex64), tikhonov=weights.float().requires_grad_()
    )
    assert asked.requires_grad
    assert_allclose(asked.detach().numpy(), found.numpy(), atol=2e-3, rtol=2e-3)


def test_no_rows_and_more_leading_axes() -> None:
    peaks, spectra, weights = random_rows(0, 6, 1.91)
    single = Peaks.of(peaks.positions.float(), peaks.widths.float(), N_BINS)
    spectra, weights = spectra.to(torch.complex64), weights.float()
    expected = coefficients_in_channels(single, spectra, tikhonov=weights)
    none = Peaks.of(single.positions[:0], single.widths[:0], N_BINS)
    assert coefficients_in_channels(none, spectra[:, :0], tikhonov=0.1).shape == (3, 0, 6)
    deep = Peaks.of(single.positions[:, None], single.widths[:, None], N_BINS)
    found = coefficients_in_channels(deep, spectra[:, :, None], tikhonov=weights[:, None])
    assert_allclose(found[:, :, 0].numpy(), expected.numpy())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_position_that_is_none_breaks_nothing(value: float) -> None:
    positions = np.array([[10.0, value, 50.0]])
    products = np.ones((1, 3, 1), np.complex128)
    found = banded_coefficients(positions, np.ones(1), np.full((1, 3), 0.1), products, N_BINS)
    assert np.isfinite(found[0, [0, 2]]).all()
