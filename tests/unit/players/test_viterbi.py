"""Viterbi's algorithm: against all paths, whatever the blocks, and against librosa's."""

import itertools
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from musisep_cli.frames.framewise import Derived
from musisep_cli.frames.spool import Spool
from musisep_cli.players import viterbi
from musisep_cli.players.viterbi import cheapest_path

Array: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.int64]
SEEDS = st.integers(0, 2**20)


@dataclass
class States:
    """The states of some steps."""

    names: Labels
    costs: Array
    transitions: Array


def cheapest(costs: Array, transitions: Array, names: Labels | None = None) -> tuple[Labels, float]:
    """The path through costs [n, p] and transitions [n - 1, p, p]."""
    numbers = np.tile(np.arange(costs.shape[1]), (len(costs), 1)) if names is None else names

    def states(steps: range) -> States:
        here, moves = slice(steps.start, steps.stop), slice(steps.start, steps.stop - 1)
        return States(numbers[here], costs[here], transitions[moves])

    with closing(Spool.temporary()) as before:
        return cheapest_path(Derived(range(len(costs)), states), before)


@given(SEEDS, st.integers(1, 6), st.integers(1, 4), st.integers(1, 40))
def test_the_cheapest_path_is_the_best_of_all_whatever_the_blocks(
    seed: int, n_steps: int, n_states: int, at_once: int
) -> None:
    generator = np.random.default_rng(seed)
    costs = generator.normal(size=(n_steps, n_states))
    transitions = 2 * generator.random((n_steps - 1, n_states, n_states))
    totals = {
        path: sum(costs[n, s] for n, s in enumerate(path))
        + sum(transitions[n, a, b] for n, (a, b) in enumerate(itertools.pairwise(path)))
        for path in itertools.product(range(n_states), repeat=n_steps)
    }
    best = min(totals, key=lambda path: totals[path])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viterbi, "TRANSITIONS_AT_ONCE", at_once)
        path, cost = cheapest(costs, transitions)
    assert path.tolist() == list(best)
    assert cost == pytest.approx(totals[best])


@given(SEEDS, st.integers(2, 40), st.integers(2, 8))
def test_the_path_is_the_one_that_librosa_finds_in_probabilities(
    seed: int, n_steps: int, n_states: int
) -> None:
    # A cost is minus the logarithm of a probability: the cheapest path is the most probable one.
    generator = np.random.default_rng(seed)
    emission = generator.random((n_states, n_steps))
    transition = generator.dirichlet(np.ones(n_states), n_states)
    start = generator.dirichlet(np.ones(n_states))
    costs = -np.log(emission.T)
    costs[0] -= np.log(start)
    steps = np.broadcast_to(-np.log(transition), (n_steps - 1, n_states, n_states))
    path, cost = cheapest(costs, steps)
    expected, log_probability = librosa.sequence.viterbi(
        emission, transition, p_init=start, return_logp=True
    )
    assert path.tolist() == expected.tolist()
    assert cost == pytest.approx(-float(np.ravel(log_probability)[0]), abs=1e-6)


def test_transitions_have_a_direction() -> None:
    # From 0 to 1 is free, back is dear: the path changes once and stays.
    transitions = np.broadcast_to(np.array([[0.0, 0.0], [9.0, 0.0]]), (2, 2, 2))
    costs = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])
    assert cheapest(costs, transitions)[0].tolist() == [0, 1, 1]


def test_every_step_may_have_states_of_its_own() -> None:
    # The same recording with the states of every step in another order.
    generator = np.random.default_rng(0)
    n_steps, n_states = 30, 5
    costs = generator.random((n_steps, n_states))
    transitions = generator.random((n_steps - 1, n_states, n_states))
    names = np.argsort(generator.random((n_steps, n_states)), 1)
    mixed = np.stack([transitions[n][names[n]][:, names[n + 1]] for n in range(n_steps - 1)])
    path, cost = cheapest(np.take_along_axis(costs, names, 1), mixed, names)
    plain, plain_cost = cheapest(costs, transitions)
    assert path.tolist() == plain.tolist()
    assert cost == pytest.approx(plain_cost)


@pytest.mark.parametrize("at_once", [1, 200, 2_000_000])
def test_no_more_transitions_are_held_than_fit_and_every_one_is_asked_for_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viterbi, "TRANSITIONS_AT_ONCE", at_once)
    n_states, asked = 5, []

    @dataclass
    class Watched:
        steps: range

        @property
        def names(self) -> Labels:
            return np.tile(np.arange(n_states), (len(self.steps), 1))

        @property
        def costs(self) -> Array:
            return np.zeros((len(self.steps), n_states))

        @property
        def transitions(self) -> Array:
            asked.extend(self.steps[:-1])
            assert (len(self.steps) - 1) * n_states**2 <= max(at_once, n_states**2)
            return np.zeros((len(self.steps) - 1, n_states, n_states))

    with closing(Spool.temporary()) as before:
        cheapest_path(Derived(range(31), Watched), before)
    assert asked == list(range(30))
