"""States: those that are followed are those of least cost."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.costs import DecodingConfig, Weighed, of_order, of_tones
from musisep_cli.players.instruments import Instruments
from musisep_cli.players.states import FIRST_KEPT, by_assignment, states_of
from musisep_cli.players.voices import Voices
from tests.unit.players.test_costs import candidates, known

CONFIG = DecodingConfig()
SEEDS = st.integers(0, 2**20)


def scene(seed: int, n: int) -> tuple[Weighed, Instruments, Voices]:
    """Hypotheses of ``n`` instruments of one voice each, and what is known of these."""
    return Weighed.of(candidates(n, seed), CONFIG, 0.8), known(n, seed), Voices.single(n)


@given(SEEDS)
def test_by_assignment_is_the_sum_over_the_voices(seed: int) -> None:
    voices = Voices((1, 2))
    cost = np.random.default_rng(seed).random((3, 2, 3, 2))
    found = by_assignment(cost, voices)
    for n, s, a in np.ndindex(found.shape):
        tones = voices.assignments[a]
        expected = sum(cost[n, s, tones[v], voices.players[v]] for v in range(3))
        assert_allclose(found[n, s, a], expected, rtol=1e-5)


@given(SEEDS, st.integers(1, 3))
def test_few_states_are_all_kept_at_their_costs(seed: int, n: int) -> None:
    frames, instruments, voices = scene(seed, n)
    states = states_of(frames, instruments, voices, CONFIG)
    n_ways = len(voices.assignments)
    assert_array_equal(states.names, np.tile(np.arange(2 * n_ways), (len(states.names), 1)))
    tones = of_tones(frames, instruments, CONFIG)
    for row, p in np.ndindex(states.names.shape):
        s, a = divmod(p, n_ways)
        chosen = voices.assignments[a]
        assert_array_equal(states.pitch[row, p], frames.pitch[row, s, chosen])
        assert_array_equal(states.weights[row, p], frames.weights[row, s, chosen])
        order = of_order(
            states.pitch[row, p], states.weights[row, p], voices.players, instruments.above
        )
        share = instruments.trust_in_lines / max(n - 1, 1)  # once a tone
        expected = frames.evidence[row, s] + CONFIG.weight_order * share * order
        expected += sum(tones[row, s, tone, i] for i, tone in enumerate(chosen))
        assert_allclose(states.costs[row, p], expected, rtol=1e-4, atol=1e-4)


@given(SEEDS)
def test_pruned_states_are_the_cheapest_of_all(seed: int) -> None:
    frames, instruments, voices = scene(seed, 4)
    every = states_of(frames, instruments, voices, replace(CONFIG, states=48))
    assert every.names.shape[1] == 48
    n_kept = 48 // FIRST_KEPT  # the order has its say on all of them
    few = states_of(frames, instruments, voices, replace(CONFIG, states=n_kept))
    for row in range(len(few.names)):
        least = np.sort(np.argsort(every.costs[row], kind="stable")[:n_kept])
        assert_array_equal(few.names[row], every.names[row, least])
        assert_allclose(few.costs[row], every.costs[row, least])


def test_a_single_state_is_the_cheapest() -> None:
    frames, instruments, voices = scene(0, 4)
    one = states_of(frames, instruments, voices, replace(CONFIG, states=1, weight_order=0.0))
    every = states_of(frames, instruments, voices, replace(CONFIG, weight_order=0.0))
    assert_array_equal(one.names[:, 0], every.costs.argmin(1))
