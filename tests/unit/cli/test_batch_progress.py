"""Progress of many recordings: each line names its recording, and the table holds few rows."""

import io

import pytest
from rich.console import Console

from musisep_cli.cli import progress
from musisep_cli.cli.batch_progress import BatchBoard, BatchLines, Silence
from musisep_cli.cli.progress import MOST_ROWS
from musisep_cli.methods import registry
from musisep_cli.methods.method import Progress

METHOD = registry.get("pursuit")
STAGES = list(METHOD.stages)


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def report(seed: int, done: int, total: int = 10, *, stage: str = STAGES[0]) -> Progress:
    return Progress(seed, stage, done, total)


def test_every_line_begins_with_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_S", 0.0)
    where = console()
    lines = BatchLines(where, METHOD, verbose=True)
    lines.update("one", report(0, 1))
    lines.update("two/three", Progress(1, STAGES[0], 1, 10, note="the batch was halved"))
    lines.update("one", report(0, 10, stage=STAGES[-1]))
    lines.made("one", 0)
    lines.made("two/three", 1)  # its last report was lost with its worker
    found = printed(where).splitlines()
    assert {line.partition(": ")[0] for line in found} == {"one", "two/three"}
    assert "two/three: seed 1: the batch was halved" in found
    assert sum(line.startswith("one: seed 0: done") for line in found) == 1
    assert "two/three: seed 1: done" in found
    lines.ended("one")
    assert set(lines.lines) == {"two/three"}
    with lines.paused():
        pass


def test_the_table_shows_what_is_in_hand_and_counts_the_rest() -> None:
    where = console()
    board = BatchBoard(where, METHOD, 2000)
    for number in range(20):
        board.update(f"song {number}", report(3, number % 10))
    board.update("song 19", Progress(3, STAGES[0], 9, 10, note="made to happen"))
    board.made("song 0", 3)
    board.ended("song 1")
    where.print(board.table())
    text = printed(where)
    assert text.startswith("song 19: seed 3: made to happen")
    rows = [line for line in text.splitlines() if line.startswith("song ") and "/10" in line]
    assert len(rows) == MOST_ROWS
    assert rows[-1].split()[:3] == ["song", "19", "3"]
    assert "18 in hand" in text
    assert "1/2000" in text


def test_the_table_leaves_the_terminal_to_what_is_printed_meanwhile() -> None:
    board = BatchBoard(console(), METHOD, 2)
    board.start()
    with board.paused():
        assert board.live is None
    assert board.live is not None
    board.stop()
    assert board.live is None


def test_silence_takes_everything() -> None:
    silence = Silence()
    silence.update("one", report(0, 1))
    silence.made("one", 0)
    silence.ended("one")
    with silence.paused():
        pass
