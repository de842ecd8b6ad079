"""Delay: what was delayed by a known lag and drift comes back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.evaluation.delay import REACH, Delay, sinc_weights, undone

N = 3000
INNER = slice(200, N - 200)


def sound(t: np.ndarray) -> np.ndarray:
    """A low sum of sines at any moment, [t, 1]."""
    return (np.sin(0.2 * t) + 0.5 * np.cos(0.05 * t + 1))[:, None]


@pytest.mark.parametrize(("lag", "drift"), [(0.0, 0.0), (7.0, 0.0), (-3.25, 0.0), (2.5, 1e-3)])
def test_a_delay_is_undone_whatever_the_chunks(lag: float, drift: float) -> None:
    moments = np.arange(N, dtype=float)
    late = sound((moments - lag) / (1 + drift))
    delay = Delay(lag_samples=lag, drift=drift)
    for n_chunks in (1, 7):
        chunks = iter(np.array_split(late, n_chunks))
        found = np.concatenate(list(undone(chunks, delay)))
        assert_allclose(found[INNER], sound(moments)[INNER], atol=1e-4)


def test_a_second_delay_is_that_behind_the_first() -> None:
    first, t = Delay(lag_samples=10.0, drift=0.25, inverted=True), 8.0
    both = first.then(3.0, 0.5)
    between = t * (1 + 0.5) + 3.0
    assert t * (1 + both.drift) + both.lag_samples == between * (1 + 0.25) + 10.0
    assert both.inverted


def test_only_whole_samples_without_drift_are_whole() -> None:
    assert Delay(lag_samples=3.0).is_whole
    assert not Delay(lag_samples=3.5).is_whole
    assert not Delay(lag_samples=3.0, drift=1e-9).is_whole


def test_weights_are_one_at_the_sample_itself_and_add_up_to_one() -> None:
    weights = sinc_weights(np.array([0.0, 0.3, 1.0]))
    assert_allclose(weights.sum(1), 1, atol=1e-3)
    assert weights[0].argmax() == REACH - 1
    assert weights[2].argmax() == REACH
