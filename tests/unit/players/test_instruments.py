"""Instruments: what is learned of them, against samples of what the module supposes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.instruments import (
    ORDER_PRIOR,
    means_and_spreads,
    order_of,
    timbre_spread,
    timbres_of,
)
from tests import decodings

SEEDS = st.integers(0, 2**20)


@pytest.mark.parametrize(("spread", "dimensions"), [(0.1, 2.0), (0.2, 4.0), (0.05, 7.0)])
def test_spread_and_dimensions_of_chi_squared_samples_are_found(
    spread: float, dimensions: float
) -> None:
    samples = np.random.default_rng(0).chisquare(dimensions, 100_000)
    found = timbre_spread(np.ones(len(samples)), spread * samples / dimensions)
    assert_allclose(found, (spread, dimensions), rtol=0.03)


def test_tones_without_weight_do_not_change_the_spread() -> None:
    distances = np.random.default_rng(0).uniform(0, 0.4, 50)
    weights = np.append(np.ones(50), np.zeros(20))
    padded = timbre_spread(weights, np.append(distances, np.ones(20)))
    assert_allclose(padded, timbre_spread(np.ones(50), distances))


@given(SEEDS)
def test_registers_are_weighted_means_and_deviations(seed: int) -> None:
    generator = np.random.default_rng(seed)
    copies = [generator.integers(1, 5, 30) for _ in range(2)]
    pitch = [generator.uniform(50, 90, 30) for _ in range(2)]
    means, spreads = means_and_spreads([n.astype(float) for n in copies], pitch, 0.5)
    for i in range(2):
        repeated = np.repeat(pitch[i], copies[i])  # a weight counts like as many tones
        assert means[i] == pytest.approx(repeated.mean())
        assert spreads[i] == pytest.approx(repeated.std())


def test_a_register_has_a_least_spread_and_silence_one_too() -> None:
    means, spreads = means_and_spreads([np.ones(4), np.zeros(4)], [np.full(4, 60.0)] * 2, 2.0)
    assert_allclose(means, [60.0, 0.0])
    assert_allclose(spreads, 2.0)


@given(SEEDS)
def test_the_order_is_counted_over_all_pairs_of_voices(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights, semitones = generator.random((20, 3)), generator.uniform(50, 80, (20, 3))
    players = np.array([0, 1, 1])
    first, second = 0.0, 0.0  # of 0 above 1, and of 1 above 0
    for n in range(20):
        for voice in (1, 2):
            both = min(weights[n, 0], weights[n, voice])
            if semitones[n, 0] > semitones[n, voice]:
                first += both
            else:
                second += both
    above = order_of(weights, semitones, players)
    expected = (first + ORDER_PRIOR) / (first + second + 2 * ORDER_PRIOR)
    assert above[0, 1] == pytest.approx(expected)
    assert_allclose(above + above.T, 1.0)


def test_instruments_in_another_order_keep_what_is_known_of_each() -> None:
    generator = np.random.default_rng(0)
    known = decodings.instruments(
        generator.random((3, 4)), generator.random(3), generator.random(3)
    )
    known.above[:] = generator.random((3, 3))
    order = np.array([2, 0, 1])
    found = known.ordered(order)
    for i, j in np.ndindex(3, 3):
        assert found.above[i, j] == known.above[order[i], order[j]]
    assert_array_equal(found.timbres, known.timbres[order])
    assert_array_equal(found.register_semitones, known.register_semitones[order])
    assert_array_equal(found.spread_semitones, known.spread_semitones[order])


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
