"""Tables of an evaluation: cells, means, empty columns, and names drawn as they are."""

import pytest

from musisep_cli.cli.evaluate.tables import Grid, grids, print_tables, to_markdown
from musisep_cli.evaluation.results import SeedSummary
from tests.unit.cli.evaluate.made import evaluation, take


def test_scores_and_pitch_of_one_take() -> None:
    scores, pitch = grids(evaluation(take()))
    assert scores.title == "duet: BSS Eval v2, dB"
    assert scores.columns == ("reference", "stem", "SDR", "SIR", "SAR", "mix", "lag", "")
    flute = ("flute", "instrument-1", "inf", "30.00", "0.00", "1.00", "-3", "")
    assert scores.rows[0] == flute
    assert scores.rows[1] == ("clar|inet", "", "", "", "", "", "", "no stem")
    assert scores.rows[2][0] == "mean of 1 of 2"
    assert pitch.rows == [("flute", "0.500", "0.600", "0.700", "0.100", "0.400")]


def test_several_takes_have_headings_and_a_common_mean() -> None:
    scores = grids(evaluation(take("a"), take("b")))[0]
    assert [row[0] for row in scores.rows if len(row) == 1] == ["a", "b", "all 2 takes"]
    assert scores.rows[-1][:3] == ("mean", "", "inf")


def test_seeds_in_the_order_of_the_ranking() -> None:
    takes = [take(f"run, seed {n}", group="run", seed=n) for n in (0, 1, 2)]
    summary = SeedSummary(
        take="run",
        n_seeds=3,
        mean_sdr_db=2.0,
        std_sdr_db=None,
        best_seed=0,
        best_sdr_db=3.0,
        worst_sdr_db=1.0,
        chosen_seed=2,
        chosen_sdr_db=1.0,
        objectives={2: 0.25, 0: 0.5},
    )
    table = grids(evaluation(*takes, seeds=(summary,)))[0]
    labels = [row[:3] for row in table.rows]
    assert labels == [("2", "chosen blind", "0.25"), ("0", "best", "0.5"), ("1", "", "")]
    assert "standard deviation -" in table.footnotes[0]
    assert "seed 2 (1.00); best by the references: seed 0 (3.00)" in table.footnotes[1]


def test_columns_of_numbers_that_say_nothing_are_dropped_and_names_stay() -> None:
    grid = Grid("t", ("name", "a", "b"), [("x", "", "1"), ("heading",), ("y", "", "")], 1)
    assert grid.without_empty_columns().columns == ("name", "b")
    assert grid.without_empty_columns().rows == [("x", "1"), ("heading",), ("y", "")]


def test_markdown_escapes_pipes_and_fills_headings() -> None:
    text = to_markdown(evaluation(take("a"), take("b")))
    rows = [line for line in text.split("\n\n")[1].splitlines() if line.startswith("|")]
    assert r"clar\|inet" in text
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1


def test_printed_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(evaluation(take("[bold]duet[/]")))
    assert "[bold]duet[/]: BSS Eval v2, dB" in capsys.readouterr().out
