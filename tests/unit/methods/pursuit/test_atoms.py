import numpy as np

from musisep_cli.methods.pursuit.atoms import (
    RENEWAL_ITERATIONS,
    AtomState,
    least_used,
    most_used,
    random_atoms,
)


def state_of(score: list[float], age: list[int]) -> AtomState:
    state = AtomState.of(np.arange(1.0, 1 + 2 * len(score)).reshape(-1, 2))
    state.score[:], state.age[:] = score, age
    return state


def test_scores_are_divided_by_the_age_without_the_head_start() -> None:
    # By hand: 100 / 250 = 0.4, 250 / 750 = 0.33, 300 / 1250 = 0.24, 100 / 750 = 0.13.
    state = state_of([100.0, 250.0, 300.0, 100.0], [500, 1000, 1500, 1000])
    assert least_used(state, 2).tolist() == [2, 3]
    np.testing.assert_array_equal(most_used(state, 2), state.columns[[0, 1]])


def test_newcomers_are_not_kept_while_there_are_others() -> None:
    state = state_of([50.0, 20.0, 10.0, 0.0], [0, 1000, 1000, 0])
    np.testing.assert_array_equal(most_used(state, 2), state.columns[[1, 2]])


def test_a_short_training_ends_with_as_many_atoms() -> None:
    state = state_of([1.0, 3.0, 2.0, 0.0], [200] * 4)
    np.testing.assert_array_equal(most_used(state, 2), state.columns[[1, 2]])


def test_renewal_makes_newborn_atoms_and_leaves_the_others_and_the_old_state() -> None:
    state = state_of([1.0, 2.0, 3.0], [700] * 3)
    state.momentum[:], state.power[:] = 5.0, 6.0
    renewed = state.renewed(np.array([1]), np.array([[0.25, 1.0]]))
    assert renewed.columns[1].tolist() == [0.25, 1.0]
    assert (renewed.age.tolist(), renewed.score.tolist()) == ([700, 0, 700], [1.0, 0.0, 3.0])
    assert renewed.momentum[:, 0].tolist() == [5.0, 0.0, 5.0]
    assert renewed.power.tolist() == [6.0, 0.0, 6.0]
    assert state.age.tolist() == [700] * 3


def test_random_atoms_follow_their_distribution() -> None:
    atoms = random_atoms(np.random.default_rng(0), 20_000, 25)
    np.testing.assert_allclose(atoms.max(1), 1.0)
    assert (atoms >= 0).all()
    # P(x > 3) = (1 + 3)^(-1/2) = 1/2: then 25^(-x) < 7e-5 and harmonic 25 is all but missing.
    # It is so as well where u_25 / max < 25^x 7e-5, which is rare for small x.
    assert 0.45 < (atoms[:, 24] < 25.0**-3).mean() < 0.55
    assert RENEWAL_ITERATIONS == 500
