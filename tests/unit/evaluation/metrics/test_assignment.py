"""Assignment: the best of all orders, whatever the numbers of references and estimates."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.evaluation.metrics import PairScores, best_assignment
from tests.unit.evaluation.metrics.scored import mixture, score


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_no_other_order_has_a_greater_sum_of_sir(seed: int, n_i: int, n_j: int) -> None:
    sir_db = np.random.default_rng(seed).uniform(-30, 30, (n_i, n_j))
    nobody = np.zeros(n_i, bool), np.zeros(n_j, bool)
    pairs = best_assignment(PairScores(0 * sir_db, sir_db, sir_db, *nobody, dependent=False))
    few, many = sorted((n_i, n_j))
    table = sir_db if n_i <= n_j else sir_db.T
    best = max(
        sum(table[row, column] for row, column in enumerate(order))
        for order in permutations(range(many), few)
    )
    assert len(pairs) == few
    np.testing.assert_allclose(sum(sir_db[i, j] for i, j in pairs), best, rtol=0, atol=1e-6)


def test_sdr_decides_where_sir_does_not() -> None:
    sir_db, sdr_db = np.full((1, 3), np.inf), np.array([[1.0, 3.0, 2.0]])
    scores = PairScores(
        sdr_db, sir_db, sdr_db, np.zeros(1, bool), np.zeros(3, bool), dependent=False
    )
    assert best_assignment(scores) == [(0, 1)]


def test_one_reference_has_no_interference_and_is_assigned_by_sdr() -> None:
    reference, _ = mixture(0, 1)
    noise = np.random.default_rng(1).standard_normal(reference.shape)
    scores = score(reference, np.concatenate([noise, reference + 0.01 * noise]))
    assert_array_equal(scores.sir_db, np.inf)
    assert best_assignment(scores) == [(0, 1)]


def test_all_silent_is_an_answer_too() -> None:
    scores = score(np.zeros((2, 10)), np.zeros((1, 10)))
    assert best_assignment(scores) == []
    assert not scores.dependent


def test_ten_stems_are_assigned_at_once() -> None:
    reference, estimate = mixture(0, 10)
    order = np.random.default_rng(0).permutation(10)
    pairs = best_assignment(score(reference, (reference + 0.1 * estimate)[order]))
    assert_array_equal(order[[j for _, j in pairs]], range(10))


def test_unequal_numbers_give_each_of_the_fewer_a_partner() -> None:
    reference, _ = mixture(0, 3)
    assert best_assignment(score(reference, reference[[2]])) == [(2, 0)]
    assert best_assignment(score(reference[[1]], reference)) == [(0, 1)]
