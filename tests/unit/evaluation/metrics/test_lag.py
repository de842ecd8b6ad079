"""Lag between signals: found whatever the blocks, and its coherence in closed form."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.evaluation.metrics import array_blocks, estimate_lags


def shifted(signal: np.ndarray, lag: int) -> np.ndarray:
    """``signal``, ``lag`` samples later, zeros before it."""
    padded = np.pad(signal, [(0, 0), (abs(lag), abs(lag))])
    return padded[:, abs(lag) - lag : abs(lag) - lag + signal.shape[1]]


@given(st.integers(-100, 100), st.integers(100, 1000), st.integers(1, 2))
def test_lag_is_found_whatever_the_blocks(lag: int, block_samples: int, n_channels: int) -> None:
    reference = np.random.default_rng(0).standard_normal((2, 1000))
    estimate = shifted(reference[::-1], lag)
    lags = estimate_lags(
        array_blocks(
            reference=np.stack([reference] * n_channels, axis=1),
            estimate=np.stack([estimate] * n_channels, axis=1),
            block_samples=block_samples,
        ),
        100,
    )
    assert_array_equal(lags.lag_samples[[0, 1], [1, 0]], lag)
    assert (lags.coherence[[0, 1], [1, 0]] > 0.9).all()


def test_coherence_is_the_cosine_of_the_signals() -> None:
    reference, estimate = np.random.default_rng(0).standard_normal((2, 1, 500))
    lags = estimate_lags(array_blocks(reference=reference, estimate=estimate), 3)
    expected = abs(reference @ estimate.T) / np.linalg.norm(reference) / np.linalg.norm(estimate)
    assert_allclose(lags.coherence_unshifted, expected, rtol=0, atol=1e-12)


def test_silence_has_no_lag() -> None:
    source = array_blocks(reference=np.zeros((1, 50)), estimate=np.ones((1, 50)))
    lags = estimate_lags(source, 5)
    assert_array_equal([lags.lag_samples, lags.coherence], 0)
