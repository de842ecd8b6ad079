import io

import pytest
from rich.console import Console

from musisep_cli.cli import progress
from musisep_cli.cli.progress import Board, Lines, SeedProgress
from musisep_cli.methods import registry
from musisep_cli.methods.method import Progress, StepReport

METHOD = registry.get("decoding")


def step(done: int, *, seed: int = 0, total: int = 100, objective: float = 0.5) -> Progress:
    report = StepReport(
        done,
        {"objective": objective, "dictionary": 0.04, "direct": 0.01, "agreement": 0.002},
        0,
    )
    return Progress(seed, "training", done, total, report)


def heard(done: int, *, seed: int = 0, total: int = 10) -> Progress:
    return Progress(seed, "listening", done, total)


def played(done: int, *, seed: int = 0, total: int = 10) -> Progress:
    return Progress(seed, "resynthesis", done, total)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def drawn(board: Board, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(board.table(width))
    return capture.get()


def test_speed_and_time_left() -> None:
    state = SeedProgress(0, started_s=0.0, last_stage="resynthesis")
    for second in range(61):
        state.update(step(2 * second + 2, total=200), float(second))
    assert state.speed == pytest.approx(2.0)
    assert state.left == "0:39"  # 78 steps


def test_a_change_of_speed_shows_within_half_a_minute() -> None:
    state = SeedProgress(0, started_s=0.0, last_stage="resynthesis")
    state.update(step(0, total=1000), 0.0)
    state.update(step(600, total=1000), 60.0)
    for second in range(61, 100):
        state.update(step(600 + (second - 60), total=1000), float(second))
    assert state.speed == pytest.approx(1.0)


def test_terms_are_smoothed_and_keep_finite() -> None:
    state = SeedProgress(0, started_s=0.0, last_stage="resynthesis")
    for objective in (1.0, float("nan"), 2.0, float("inf")):
        state.update(step(1, objective=objective), 0.0)
    assert state.terms["objective"] == pytest.approx(1.05)


def test_the_live_table(clock: Clock) -> None:
    board = Board(Console(file=io.StringIO()), METHOD, 3)
    assert "starting" in drawn(board, 80)
    for seed in (0, 1):
        board.update(step(1, seed=seed))
        clock.now_s += 2.0
        board.update(step(21, seed=seed))
    board.update(played(10))
    wide = drawn(board, 120)
    for words in ("training", "done", "21/100", "10/10", "0:08", "1/3", "agreement", "0.002"):
        assert words in wide
    assert "left of stage" in wide
    assert "agreement" not in drawn(board, 80)
    assert all(len(line) <= 80 for line in drawn(board, 80).splitlines())
    for seed in (1, 2):
        board.update(played(10, seed=seed))
    assert "writing" in drawn(board, 80)


def test_lines_are_calm(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(console, METHOD, share=progress.LINE_SHARE)
    with console.capture() as capture:
        for done in range(1, 2001):  # an hour
            lines.update(step(done, total=2000))
            clock.now_s += 1.8
        lines.update(played(10))
    printed = capture.get().splitlines()
    assert 15 <= len(printed) <= 22
    assert printed[0].startswith("seed 0: training step 7 of 2000 (0%); 0.556 per s, ")
    assert "59:47 left; objective 0.5 dictionary" in printed[0]
    assert printed[-1] == "seed 0: done after 1:00:00"
    assert "dictionary 0.04 direct 0.01 agreement 0.002" in printed[1]


def test_without_training_there_are_no_terms(clock: Clock) -> None:
    board = Board(Console(file=io.StringIO()), METHOD, 1)
    board.update(heard(5))
    assert "listening" in drawn(board, 120)
    assert not any(term in drawn(board, 120) for term in METHOD.terms)


def test_every_stage_has_its_lines(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(console, METHOD, share=progress.LINE_SHARE)
    with console.capture() as capture:
        for block in range(1, 101):  # each stage 100 blocks of 15 s
            clock.now_s += 15.0
            lines.update(heard(block * 64, total=6400))
        for done in range(4):
            lines.update(Progress(0, "decoding", done, 3))
            clock.now_s += 100.0
        for block in range(1, 101):
            clock.now_s += 15.0
            lines.update(played(block * 64, total=6400))
    printed = capture.get().splitlines()
    for words in ("listening to frame", "resynthesis of frame"):
        assert 15 <= sum(words in line for line in printed) <= 22
    assert printed[0] == "seed 0: listening to frame 128 of 6400 (2%); 4.27 per s, 24:30 left"
    decoded = [line for line in printed if "deciding" in line]
    assert decoded[0] == "seed 0: deciding who plays what, round 0 of 3 (0%)"
    assert (
        decoded[1] == "seed 0: deciding who plays what, round 1 of 3 (33%); 0.01 per s, 3:20 left"
    )
    assert printed[-1] == "seed 0: done after 56:25"


def test_a_short_decoding_needs_no_line(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(console, METHOD, share=progress.LINE_SHARE)
    with console.capture() as capture:
        lines.update(heard(64, total=64))
        for done in range(4):
            lines.update(Progress(0, "decoding", done, 3))
            clock.now_s += 1.0
        lines.update(played(64, total=64))
    assert capture.get() == "seed 0: done after 0:04\n"


def test_no_silence_is_long(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(console, METHOD, share=progress.LINE_SHARE)
    with console.capture() as capture:
        for block in range(1, 1001):  # 28 h
            clock.now_s += 100.0
            lines.update(heard(block, total=1000))
    n_lines = len(capture.get().splitlines())
    assert n_lines >= 100_000 / progress.LONGEST_SILENCE_S - 1


def test_a_short_recording_is_calm(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    lines = Lines(console, METHOD, share=progress.LINE_SHARE)
    with console.capture() as capture:
        for report in (heard, played):
            for done in range(1, 11):
                lines.update(report(done))
                clock.now_s += 0.9
    assert capture.get().splitlines() == ["seed 0: done after 0:17"]
