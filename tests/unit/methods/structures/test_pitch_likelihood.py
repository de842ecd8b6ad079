import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.structures.pitch_likelihood import (
    CAP,
    Explained,
    LikelihoodConfig,
    deviation,
    log_likelihood,
    weights,
)
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks
from tests.unit.methods.structures.made import peaks_at

CONFIG = LikelihoodConfig()
N_BINS = 6144


@given(
    pitch=st.floats(10, 1000),
    number=st.integers(1, 20),
    share=st.floats(-0.9, 0.9),
    scale=st.floats(0.1, 10),
)
def test_the_deviation_is_relative_and_scale_free(
    pitch: float, number: int, share: float, scale: float
) -> None:
    error = share / (2 * number)  # beyond 1 / (2 r) another harmonic is the nearest
    found, nearest = deviation(
        np.array(scale * number * pitch * (1 + error)), np.array(scale * pitch)
    )
    np.testing.assert_allclose(found, error, atol=1e-9)
    assert nearest == number


def test_below_half_the_pitch_there_is_no_harmonic() -> None:
    found, _ = deviation(np.array([10.0, 49.0]), np.array(100.0))
    assert np.isinf(found).all()


@given(frequency=st.floats(1, 6000), pitch=st.floats(16, 1000))
def test_a_capped_peak_is_within_two_nats_of_the_best(frequency: float, pitch: float) -> None:
    peaks = peaks_at([[frequency]])
    explained = Explained.by(np.array([[pitch]]), peaks, N_BINS, CONFIG)
    one = np.ones((1, 1, 1))
    best = log_likelihood(0 * explained.square, one, CONFIG.sigma)
    found = log_likelihood(explained.square, one, CONFIG.sigma)
    assert best - 2 - 1e-6 <= found <= best


def test_the_likelihood_is_the_products_logarithm() -> None:
    square = np.array([0.0, 1.0, 4.0])
    density = np.exp(-0.5 * square) / (0.01 * np.sqrt(2 * np.pi))
    found = log_likelihood(square, np.ones(3), 0.01)
    np.testing.assert_allclose(found, np.log(density.prod()))


def test_harmonics_above_the_last_are_not_explained() -> None:
    peaks = peaks_at([[100.0 * h for h in (1, 20, 21)]])
    explained = Explained.by(np.array([[100.0]]), peaks, N_BINS, CONFIG)
    np.testing.assert_allclose(explained.square[0, 0], [0, 0, CAP], atol=1e-6)


@pytest.mark.parametrize(
    ("harmonics", "n_absent"), [((1, 2, 3, 4, 5), 0), ((1, 3, 5), 2), ((1,), 4), ((1, 2, 9), 3)]
)
def test_the_first_harmonics_should_be_seen(harmonics: tuple[int, ...], n_absent: int) -> None:
    peaks = peaks_at([[100.0 * h for h in harmonics]])
    explained = Explained.by(np.array([[100.0]]), peaks, N_BINS, CONFIG)
    assert explained.absent.tolist() == [[n_absent]]


def test_harmonics_beyond_the_spectrum_are_not_expected() -> None:
    peaks = peaks_at([[2000.0, 4000.0]])
    explained = Explained.by(np.array([[2000.0]]), peaks, 5000, CONFIG)
    assert explained.absent.tolist() == [[0]]


def test_the_loudest_peak_counts_most_and_the_faintest_nothing() -> None:
    peaks = SpectralPeaks(
        np.array([[True, True, True, False]]),
        np.array([[100.0, 200.0, 300.0, 0.0]]),
        np.array([[-20.0, -45.0, -70.0, 0.0]]),
    )
    np.testing.assert_allclose(weights(peaks, 50.0, CONFIG), [[2, 1, 0, 0]], atol=1e-6)
    alike = weights(peaks, 50.0, LikelihoodConfig(weighed=False))
    np.testing.assert_allclose(alike, [[1, 1, 1, 0]])
