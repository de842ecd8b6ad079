"""Instruments: what is learned of them is what their tones were drawn from."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.players.instruments import (
    ORDER_PRIOR,
    means_and_spreads,
    order_of,
    timbre_spread,
    timbres_of,
)
from tests import decodings


@pytest.mark.parametrize("dimensions", [2.0, 5.0])
def test_spread_and_dimensions_are_those_of_the_distribution(dimensions: float) -> None:
    far = 0.12 * np.random.default_rng(0).chisquare(dimensions, 40_000) / dimensions
    spread, found = timbre_spread(np.ones_like(far), far)
    assert spread == pytest.approx(0.12, rel=0.02)
    assert found == pytest.approx(dimensions, rel=0.05)


def test_tones_without_a_say_teach_nothing() -> None:
    far, weights = np.array([0.1, 0.2, 0.9]), np.array([1.0, 1.0, 0.0])
    assert timbre_spread(weights, far) == timbre_spread(weights[:2], far[:2])


def test_registers_are_mean_and_deviation_by_instrument() -> None:
    pitch = [np.array([[60.0], [72.0]]), np.array([[40.0], [40.0]])]
    mean, spread = means_and_spreads([np.ones((2, 1))] * 2, pitch, 2.0)
    assert_allclose(mean, [66.0, 40.0])
    assert_allclose(spread, [6.0, 2.0])


def test_an_order_that_was_always_so_is_probable_and_never_certain() -> None:
    pitch = np.tile([72.0, 60.0, 50.0], (200, 1))
    above = order_of(np.ones_like(pitch), pitch, np.array([0, 1, 1]))
    n_pairs = 400
    assert above[0, 1] == pytest.approx((n_pairs + ORDER_PRIOR) / (n_pairs + 2 * ORDER_PRIOR))
    assert_allclose(above + above.T, 1)


def test_sums_become_unit_vectors_and_silence_none() -> None:
    assert_allclose(timbres_of(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]])


def test_another_order_takes_everything_along_and_silent_ones_come_last() -> None:
    known = decodings.instruments(np.eye(3), np.array([70.0, 60.0, 50.0]), np.array([1.0, 2, 3]))
    other = known.ordered(np.array([2, 0, 1]))
    assert_allclose(other.register_semitones, [50.0, 70.0, 60.0])
    assert_allclose(other.timbres, np.eye(3)[[2, 0, 1]])
    more = known.with_silent(1)
    assert more.above.shape == (4, 4)
    assert_allclose(more.timbres[3], 0)
