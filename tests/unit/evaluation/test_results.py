"""Results: means over what is there, and definitions of every number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.evaluation.results import (
    Evaluation,
    Options,
    Ratios,
    ReferenceResult,
    TakeResult,
    difference_db,
    mean_db,
)

SCORES = st.floats(-100, 100)


def take(*sdr_db: float | None) -> TakeResult:
    references = tuple(
        ReferenceResult(reference=str(n), stem=str(n), scores=Ratios(sdr_db=value, sir_db=value))
        for n, value in enumerate(sdr_db)
    )
    return TakeResult(
        name="t", sample_rate_hz=8_000, n_samples=1, n_channels=1, references=references
    )


@given(st.lists(st.one_of(st.none(), SCORES), max_size=8))
def test_a_mean_is_over_the_scores_that_are_there(values: list[float | None]) -> None:
    present = [value for value in values if value is not None]
    mean = mean_db(values)
    if present:
        assert mean == pytest.approx(math.fsum(present) / len(present), abs=1e-9)
    else:
        assert mean is None


def test_infinities() -> None:
    assert mean_db([math.inf, 3.0]) == math.inf
    assert mean_db([-math.inf, 3.0]) == -math.inf
    assert mean_db([math.inf, -math.inf, 1.0]) is None
    assert difference_db(math.inf, math.inf) == 0.0
    assert difference_db(-math.inf, 1.0) == -math.inf
    assert difference_db(5.0, 2.0) == 3.0


def test_the_mean_of_takes_counts_every_take_alike() -> None:
    takes = (take(1.0, 3.0, None), take(10.0), take(None))
    assert [len(each.scored) for each in takes] == [2, 1, 0]
    assert takes[0].mean == Ratios(sdr_db=2.0, sir_db=2.0)
    result = Evaluation(options=Options(), takes=takes)
    assert result.mean.sdr_db == 6.0
    assert result.mean.sar_db is None


def test_definitions_say_what_was_done() -> None:
    plain, rich = Options().definitions(), Options(bss="v3", ceiling=True, align=True).definitions()
    assert (plain["measure"], plain["filter_taps"]) == ("BSS Eval v2", 1)
    assert (rich["measure"], rich["filter_taps"]) == ("BSS Eval v3", 512)
    assert set(rich) - set(plain) == {"ceiling_sdr_db", "alignment"}
