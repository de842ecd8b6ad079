"""The closing table: every recording of a few, of very many those that need a look."""

from dataclasses import replace
from pathlib import Path

import pytest

from musisep_cli.cli.inputs import Source
from musisep_cli.cli.separate import tables
from musisep_cli.cli.separate.job import Outcome
from musisep_cli.run.folder.layout import RunFolder


def outcomes(n: int) -> list[Outcome]:
    """The first done with a warning, the second failed, all others done."""
    done = [
        Outcome(
            source=Source(Path(f"{number}.wav"), str(number)),
            status="done",
            folder=RunFolder(out=Path("out"), track=str(number)),
        )
        for number in range(n)
    ]
    done[0] = replace(done[0], warnings=("clipped",))
    done[1] = replace(done[1], status="failed", error="1.wav: is empty")
    return done


def test_of_a_few_every_one_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LISTED", 5)
    table = tables.closing(outcomes(5))
    assert table.row_count == 5
    assert str(table.title) == "5 recordings: 4 done, 1 failed"


def test_of_many_those_are_listed_that_need_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LISTED", 5)
    table = tables.closing(outcomes(6))
    assert list(table.columns[0].cells) == [tables.Text("0.wav"), tables.Text("1.wav")]
    listed = "2 of the 2 that failed or have warnings are listed"
    assert str(table.title) == f"6 recordings: 5 done, 1 failed; {listed}"


def test_of_those_too_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LISTED", 1)
    table = tables.closing(outcomes(6))
    assert table.row_count == 1
    assert "; 1 of the 2 that" in str(table.title)
