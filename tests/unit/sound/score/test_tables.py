"""Tables: rows as numbers, notes in Hz, and damaged rows that are named."""

from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from musisep_cli.errors import InputError
from musisep_cli.sound.score.tables import columns_of, names_of_run, numbers, read_notes, read_rows


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_notes_become_hertz_with_and_without_cents(tmp_path: Path) -> None:
    text = "stem,onset_s,offset_s,midi,detune_cents\nflute,0.5,1,81,0\nflute,1,2,68,100\n"
    assert_allclose(read_notes(written(tmp_path, text))["flute"], [(0.5, 1, 880), (1, 2, 440)])
    bare = written(tmp_path, "stem,onset_s,offset_s,midi\na,0,1,57\n")
    assert read_notes(bare) == {"a": [(0.0, 1.0, 220.0)]}


def test_columns_are_read_without_the_rows(tmp_path: Path) -> None:
    assert columns_of(written(tmp_path, "time_s, f0_hz\nx\n")) == ["time_s", "f0_hz"]
    assert columns_of(written(tmp_path, "")) == []
    with pytest.raises(InputError, match="cannot be read as a table"):
        columns_of(tmp_path / "missing.csv")


@pytest.mark.parametrize("row", ["0.0", "0.0,x", "0.0,1,2", "0.0,"])
def test_a_ragged_or_empty_row_is_named(tmp_path: Path, row: str) -> None:
    path = written(tmp_path, f"time_s,f0_hz\n1,440\n{row}\n")
    with pytest.raises(InputError, match="line 3: a column or a number is missing"):
        read_rows(path, numbers("time_s", "f0_hz"))


def test_names_by_the_numbers_of_the_instruments(tmp_path: Path) -> None:
    path = written(tmp_path, "instrument,time_s,stem\n1,0,oboe\n2,0,horn\n1,0.1,oboe\n")
    assert names_of_run(path) == {1: "oboe", 2: "horn"}
