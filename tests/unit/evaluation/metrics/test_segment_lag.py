"""Lags of short segments: constant without drift, on a line with it."""

import numpy as np
from numpy.testing import assert_allclose

from musisep_cli.evaluation.metrics import array_blocks
from musisep_cli.evaluation.metrics.segment_lag import segment_lags

NOISE = np.random.default_rng(0).standard_normal((1, 4000))


def test_a_late_estimate_has_a_positive_lag_and_an_inverted_one_a_negative_correlation() -> None:
    source = array_blocks(reference=NOISE, estimate=-np.roll(NOISE, 5))
    found = segment_lags(source, 1000, 20)
    assert_allclose(found.lag_samples.ravel(), 5, atol=0.05)
    assert (found.correlation < 0).all()
    assert_allclose(found.centre_samples, [500, 1500, 2500, 3500])


def test_without_a_lag_both_correlations_are_the_norm() -> None:
    found = segment_lags(array_blocks(reference=NOISE, estimate=2 * NOISE), 1000, 20)
    assert_allclose(found.unshifted, found.norm)
    assert_allclose(found.correlation, found.norm, rtol=1e-6)


def test_a_lag_that_grows_is_found_segment_by_segment() -> None:
    late = np.concatenate([np.roll(NOISE, k)[:, 1000 * k : 1000 * k + 1000] for k in range(4)], 1)
    found = segment_lags(array_blocks(reference=NOISE, estimate=late), 1000, 20)
    assert_allclose(found.lag_samples.ravel(), [0, 1, 2, 3], atol=0.1)
