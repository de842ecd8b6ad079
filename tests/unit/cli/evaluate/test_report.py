"""Report of an evaluation: JSON that any reader takes, tidy CSV, notices told once."""

import csv
import io
import json

from musisep_cli.cli.evaluate.report import CSV_COLUMNS, notices, to_csv, to_json
from tests.unit.cli.evaluate.made import evaluation, take


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_json_has_no_infinity_and_all_scores() -> None:
    text = to_json(evaluation(take()))
    document = json.loads(text, parse_constant=refuse)
    flute, clarinet = document["takes"][0]["references"]
    assert flute["scores"]["sdr_db"] == "inf"
    assert flute["pitch"]["raw_chroma_accuracy"] == 0.6
    assert clarinet["scores"]["sdr_db"] is None
    assert document["takes"][0]["mean_over"] == "1 of 2 references"
    assert document["definitions"]["measure"] == "BSS Eval v2"
    assert document["failed"] == [{"name": "bad", "error": "why"}]


def test_csv_has_a_line_per_reference_and_empty_cells() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(evaluation(take("a"), take("b"))))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(row["take"], row["reference"]) for row in rows] == [
        ("a", "flute"), ("a", "clar|inet"), ("b", "flute"), ("b", "clar|inet"),
    ]  # fmt: skip
    assert (rows[0]["sdr_db"], rows[0]["overall_accuracy"]) == ("inf", "0.4")
    assert (rows[1]["sdr_db"], rows[1]["note"]) == ("", "no stem")


def test_a_seed_is_a_line_of_its_run() -> None:
    text = to_csv(evaluation(take("run, seed 3", group="run", seed=3)))
    assert text.splitlines()[1].startswith("run,3,flute,")


def test_notices_of_all_takes_are_told_once() -> None:
    both = evaluation(take("a"), take("b", left_out=("residual.wav",)))
    assert notices(both) == [
        "a notice.",
        "b: not scored as stems or references: residual.wav.",
    ]
    assert notices(evaluation(take("a"))) == ["a notice."]
