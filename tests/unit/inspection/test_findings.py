"""Findings: instruments that are alike, and curves in few rows."""

import math

import numpy as np

from musisep_cli.inspection.findings import most_alike, thinned


def test_fewer_than_two_instruments_have_no_likeness() -> None:
    assert most_alike(np.ones((3, 1), np.float32), ["a"]) is None


def test_the_level_of_a_column_and_silence_do_not_matter() -> None:
    columns = np.array([[1.0, 5.0, 0.0], [1.0, 5.0, 0.0]], np.float32)
    assert most_alike(columns, ["a", "b", "c"]) == ("a", "b", 1.0)


def test_a_long_curve_becomes_means_of_its_finite_terms() -> None:
    curve = [
        {"iteration": n, "loss": math.nan if n in (1, 5, 6) else float(n), "n_skipped": n}
        for n in range(1, 7)
    ]
    found = thinned(curve, 3)
    assert [(row["iteration"], row["n_skipped"]) for row in found] == [(2, 2), (4, 4), (6, 6)]
    assert [row["loss"] for row in found[:2]] == [2.0, 3.5]
    assert math.isnan(found[2]["loss"])
    assert len(thinned(curve, 99)) == len(curve)
    assert thinned([]) == []
