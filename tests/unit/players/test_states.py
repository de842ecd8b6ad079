"""States: those that are followed are the cheapest of all."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.costs import DecodingConfig, Weighed, of_order, of_tones
from musisep_cli.players.states import by_assignment, states_of
from musisep_cli.players.voices import Voices
from tests import decodings
from tests.unit.players import test_costs as costs

CONFIG = DecodingConfig()


def frames(m: int) -> Weighed:
    return Weighed.of(costs.candidates(m, 4), CONFIG, 0.8)


@pytest.mark.parametrize("numbers", [(1, 1), (1, 1, 1), (1, 2)])
def test_few_states_are_all_kept_with_their_whole_cost(numbers: tuple[int, ...]) -> None:
    voices = Voices(numbers)
    known = replace(
        decodings.instruments(np.eye(len(numbers), costs.H)),
        above=np.where(np.tri(len(numbers), k=-1) > 0, 0.2, 0.8),
    )
    weighed = frames(voices.n_voices)
    states = states_of(weighed, known, voices, CONFIG)
    n_ways = len(voices.assignments)
    assert states.names.shape == (costs.N, costs.S * n_ways)
    of_each = of_tones(weighed, known, CONFIG)
    for n, s, a in np.ndindex(costs.N, costs.S, n_ways):
        way = voices.assignments[a]
        pitch, weights = weighed.pitch[n, s, way], weighed.weights[n, s, way]
        order = float(of_order(pitch, weights, voices.players, known.above))
        expected = (
            weighed.evidence[n, s]
            + sum(of_each[n, s, tone, i] for tone, i in zip(way, voices.players, strict=True))
            + CONFIG.weight_order * order / max(voices.n_voices - 1, 1)
        )
        column = s * n_ways + a
        assert states.names[n, column] == column
        assert states.costs[n, column] == pytest.approx(expected, rel=1e-5)
        assert_allclose(states.pitch[n, column], pitch)
        assert_allclose(states.weights[n, column], weights)


def test_of_many_states_the_cheapest_are_kept() -> None:
    voices, known = Voices.single(3), decodings.instruments(np.eye(3, costs.H))
    weighed = frames(3)
    every = states_of(weighed, known, voices, CONFIG)
    some = every.cheapest(5)
    for n in range(costs.N):
        assert_array_equal(some.names[n], np.sort(np.argsort(every.costs[n])[:5]))
        assert_array_equal(some.costs[n], every.costs[n][some.names[n]])


def test_the_cost_of_an_assignment_is_that_of_its_tones() -> None:
    voices = Voices((1, 2))
    cost = np.random.default_rng(0).random((2, 1, 3, 2))
    found = by_assignment(cost, voices)
    for n, a in np.ndindex(2, 3):
        players = voices.players_of_tones[a]
        expected = sum(cost[n, 0, tone, player] for tone, player in enumerate(players))
        assert found[n, 0, a] == pytest.approx(expected)
