"""Ranking: one seed chosen blind, of seeds that can be compared."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.errors import MusisepError
from musisep_cli.run.ranking import SeedScore, best_first, score
from tests.unit.run.made import result

OBJECTIVES = st.lists(st.sampled_from([0.1, 0.2, 0.3, math.inf]), min_size=1, max_size=6)


def rows(objectives: list[float], method: str = "policy") -> list[SeedScore]:
    return [SeedScore(seed, method, value, 1.0, 0) for seed, value in enumerate(objectives)]


@given(OBJECTIVES, st.randoms())
def test_the_order_of_the_seeds_does_not_matter(objectives: list[float], chance: object) -> None:
    scores = rows(objectives)
    shuffled = scores.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    if min(objectives) == math.inf:
        with pytest.raises(MusisepError, match="no seed ended with finite numbers"):
            best_first(shuffled)
        return
    ranking = best_first(shuffled)
    assert ranking == best_first(scores)
    assert ranking[0].seed == objectives.index(min(objectives))


def test_seeds_of_two_methods_are_not_ranked() -> None:
    mixed = [*rows([0.1], "decoding"), *rows([0.2, 0.3], "policy")]
    with pytest.raises(MusisepError, match=r"decoding and policy cannot be ranked.*--out"):
        best_first(mixed)


def test_a_row_holds_what_the_result_says() -> None:
    assert score(result(seed=3, objective=0.7), "lasso") == SeedScore(3, "lasso", 0.7, 2.0, 0)


@pytest.mark.parametrize(
    "broken", [{"objective": math.nan}, {"objective": -math.inf}, {"level": math.nan}]
)
def test_a_result_with_numbers_that_are_not_finite_comes_last(broken: dict[str, float]) -> None:
    row = score(result(**broken), "policy")  # type: ignore[arg-type]
    assert row.objective == math.inf
    assert best_first([row, SeedScore(9, "policy", 1e9, 1.0, 0)])[0].seed == 9
