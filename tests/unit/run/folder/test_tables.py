"""Tables of a run: what a reader of the CSV and JSON files finds there."""

import csv
import json
import math
from pathlib import Path

from musisep_cli.methods.method import StepReport
from musisep_cli.run.folder.tables import write_curve, write_learned
from tests.unit.run.made import result


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_pitch_has_a_row_per_frame_and_instrument(tmp_path: Path) -> None:
    assert write_learned(tmp_path, result()) == [tmp_path / "pitch.csv"]
    assert rows(tmp_path / "pitch.csv") == [
        ["instrument", "time_s", "f0_hz", "amplitude", "on"],
        ["1", "0.0000", "440.000", "0.25", "1"],
        ["2", "0.0000", "440.000", "0.25", "1"],
        ["1", "0.5000", "0.000", "0", "0"],
        ["2", "0.5000", "0.000", "0", "0"],
    ]


def test_a_dictionary_is_written_where_one_was_learned(tmp_path: Path) -> None:
    written = write_learned(tmp_path, result(dictionary=True))
    assert [path.name for path in written] == ["pitch.csv", "dictionary.json"]
    assert json.loads(written[1].read_text())


def test_a_term_that_was_never_finite_stays_empty(tmp_path: Path) -> None:
    curve = [StepReport(3, {"loss": 0.5, "pitch": math.nan}, 1)]
    write_curve(tmp_path / "metrics.csv", curve, ["loss", "pitch"])
    assert rows(tmp_path / "metrics.csv") == [
        ["iteration", "loss", "pitch", "n_skipped"],
        ["3", "0.5", "", "1"],
    ]


def test_the_names_of_parts_stand_beside_their_pitch(tmp_path: Path) -> None:
    write_learned(tmp_path, result(), ("oboe", "horn"))
    found = rows(tmp_path / "pitch.csv")
    assert found[0] == ["instrument", "time_s", "f0_hz", "amplitude", "on", "stem"]
    assert [row[5] for row in found[1:]] == ["oboe", "horn", "oboe", "horn"]
