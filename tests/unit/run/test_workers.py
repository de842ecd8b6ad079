"""Workers: who is to stop can say what it did, and put its work down first."""

import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from musisep_cli.errors import KilledError
from musisep_cli.methods.method import OnProgress, Progress
from musisep_cli.run.workers import ATTEMPTS, Stopped, _Listener, run_seeds

PATIENCE_S = 60.0


def make(seed: int, on_progress: OnProgress, stopped: Stopped, *, folder: Path) -> int:
    """Seed 0 is done at once; others go on until they are to stop, report, and note it."""
    (folder / f"started-{seed}").touch()
    deadline_s = time.monotonic() + PATIENCE_S
    if seed > 0:
        while not stopped() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        on_progress(Progress(seed, "training", 1, 2))
        (folder / f"kept-{seed}").touch()
        raise KeyboardInterrupt
    while not (folder / "started-1").exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return seed


def test_a_worker_that_nobody_waits_for_can_still_report_and_keep_its_work(tmp_path: Path) -> None:
    reported: list[int] = []
    seeds = run_seeds(
        partial(make, folder=tmp_path),
        [0, 1],
        jobs=2,
        on_progress=lambda progress: reported.append(progress.seed),
    )
    with closing(seeds) as made:
        assert next(made) == 0
    assert (tmp_path / "kept-1").exists()
    assert reported == [1]


def report_twice(seed: int, on_progress: OnProgress, stopped: Stopped) -> int:
    for done in (1, 2):
        on_progress(Progress(seed, "training", done, 2))
    return seed


def break_down(progress: Progress) -> None:
    raise ZeroDivisionError("made to happen")


def test_an_error_of_the_progress_comes_when_all_seeds_are_done() -> None:
    made: list[int] = []
    with pytest.raises(ZeroDivisionError, match="made to happen"):
        made.extend(run_seeds(report_twice, [0, 1], jobs=2, on_progress=break_down))
    assert sorted(made) == [0, 1]


def test_reports_are_received_to_the_end_whatever_becomes_of_them() -> None:
    reports = [Progress(0, "training", done, 3) for done in (1, 2, 3)]
    waiting = iter([*reports, None])
    listener = _Listener(lambda: next(waiting), break_down)
    listener.start()
    listener.join()
    assert isinstance(listener.error, ZeroDivisionError)
    assert list(waiting) == []


def die(seed: int, on_progress: OnProgress, stopped: Stopped, *, folder: Path, deaths: int) -> int:
    """Seed 1 is killed so many times, as the system does for want of memory."""
    if seed == 1 and len(list(folder.iterdir())) < deaths:
        (folder / str(time.monotonic_ns())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return seed


def test_a_seed_whose_process_is_killed_is_made_once_more(tmp_path: Path) -> None:
    make_one = partial(die, folder=tmp_path, deaths=1)
    made = run_seeds(make_one, [0, 1, 2], jobs=2, on_progress=lambda _: None)
    assert sorted(made) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


def test_one_that_is_killed_again_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    make_one = partial(die, folder=tmp_path, deaths=99)
    made: list[int] = []
    with pytest.raises(KilledError, match="the process of seed 1 2 times"):
        made.extend(run_seeds(make_one, [0, 1, 2, 3], jobs=2, on_progress=lambda _: None))
    assert sorted(made) == [0, 2, 3]
    assert len(list(tmp_path.iterdir())) == ATTEMPTS
