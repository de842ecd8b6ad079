"""The crew: workers die, are stopped or do not fit, and every unit ends as it should."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.errors import ClusterError, InputError
from musisep_cli.machine import interruption
from musisep_cli.methods.method import OnProgress, Progress
from musisep_cli.run.cluster import crew as crews
from musisep_cli.run.cluster.connection import Connection, connected
from musisep_cli.run.cluster.crew import TRIES, Crew, Ended, Needs, hired
from musisep_cli.run.cluster.tasks import Work

pytest.importorskip("ray", reason="Ray is not installed; it comes with the extra `cluster`")
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]

PATIENCE_S = 120.0
ONE = Needs()


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with connected("local", least_cpus=2) as connection:
        yield connection


@pytest.fixture
def crew(connection: Connection, tmp_path: Path) -> Iterator[Crew]:
    with hired(connection, tmp_path / "out", needs=ONE, most=None) as crew:
        yield crew


def all_news(crew: Crew, *, on_report: Callable[[Any, Progress], None] | None = None) -> Any:
    """How every unit ended, by its key."""
    ended: dict[Any, Ended] = {}
    deadline_s = time.monotonic() + PATIENCE_S
    while crew.n_in_hand and time.monotonic() < deadline_s:
        for news in crew.news():
            if isinstance(news, Ended):
                assert news.key not in ended
                ended[news.key] = news
            elif on_report is not None:
                on_report(*news)
    assert not crew.n_in_hand
    return ended


def once_more(folder: Path, name: str) -> int:
    """How often this was called with a name, in whatever process."""
    with (folder / name).open("a") as file:
        file.write("x")
    return (folder / name).stat().st_size


def add(terms: tuple[int, int], folder: Path) -> Work:
    def work(on_progress: OnProgress, again: bool) -> int:
        once_more(folder, f"sum-{terms[0]}")
        on_progress(Progress(0, "adding", 1, 1))
        return sum(terms)

    return work


def die(folder: Path, name: str, *, times: int) -> Work:
    """Is killed so many times, and says in the end whether it was told so."""

    def work(on_progress: OnProgress, again: bool) -> bool:
        if once_more(folder, name) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return again

    return work


def die_further_on(folder: Path, name: str) -> Work:
    """Is killed four times, each time a block further on."""

    def work(on_progress: OnProgress, again: bool) -> int:
        count = once_more(folder, name)
        on_progress(Progress(0, "going", count, 9))
        time.sleep(1.0)  # for the report to be sent
        if count < 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    return work


def end_politely(folder: Path, name: str) -> Work:
    """Is stopped at first, by nobody that the driver knows of: its machine is shut down."""

    def work(on_progress: OnProgress, again: bool) -> bool:
        with interruption.deferred():
            if once_more(folder, name) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
        return again

    return work


def refuse(on_progress: OnProgress, again: bool) -> None:
    raise InputError("made to happen")


def divide(on_progress: OnProgress, again: bool) -> float:
    return 1 / 0


def test_units_end_in_their_own_ways_and_none_disturbs_another(crew: Crew, tmp_path: Path) -> None:
    crew.give("refused", refuse, ONE)
    crew.give("bug", divide, ONE)
    crew.give("killed once", die(tmp_path, "once", times=1), ONE)
    crew.give("ended politely", end_politely(tmp_path, "politely"), ONE)
    crew.give("killed always", die(tmp_path, "always", times=99), ONE)
    crew.give("further on", die_further_on(tmp_path, "further"), ONE)
    for number in range(4):
        crew.give(number, add((number, 10), tmp_path), ONE)
    reported = set()
    ended = all_news(crew, on_report=lambda key, progress: reported.add(key))
    assert [ended[number].value for number in range(4)] == [10, 11, 12, 13]
    assert all((tmp_path / f"sum-{number}").stat().st_size == 1 for number in range(4))
    assert isinstance(ended["refused"].value, InputError)
    assert ended["bug"].how == "bug"
    assert "ZeroDivisionError: division by zero" in ended["bug"].value
    assert (ended["killed once"].how, ended["killed once"].value) == ("done", True)
    assert (ended["killed always"].how, ended["killed always"].value) == (
        "died",
        "killed, or crashed",
    )
    assert (tmp_path / "always").stat().st_size == TRIES
    assert ended["further on"].value == 5
    assert "further on" in reported


def put_down(folder: Path, name: str) -> Work:
    """Goes on until it is to stop, and notes it: as a seed does, in the main thread."""

    def work(on_progress: OnProgress, again: bool) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        with interruption.deferred() as requested:
            while not requested.is_set() and time.monotonic() < deadline_s:
                once_more(folder, "begun")
                time.sleep(0.05)
            (folder / f"kept-{name}").touch()

    return work


def test_who_is_stopped_puts_its_work_down_and_who_waits_does_not_begin(
    crew: Crew, tmp_path: Path
) -> None:
    for number in range(4):
        crew.give(number, put_down(tmp_path, str(number)), ONE)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline_s:
        list(crew.news())
    crew.stop({3})
    crew.stop()
    ended = all_news(crew)
    assert {news.how for news in ended.values()} == {"stopped"}
    kept = {path.name for path in tmp_path.glob("kept-*")}
    assert kept
    assert kept <= {"kept-0", "kept-1"}


def torn(folder: Path) -> Work:
    """Is interrupted where that comes out as another error, as in the import of a library."""

    def work(on_progress: OnProgress, again: bool) -> None:
        (folder / "begun").touch()
        deadline_s = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < deadline_s:
                time.sleep(0.05)
        except KeyboardInterrupt:
            raise ImportError("partially initialised") from None

    return work


def test_what_an_interrupt_tears_apart_is_no_bug(crew: Crew, tmp_path: Path) -> None:
    crew.give("torn", torn(tmp_path), ONE)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline_s:
        list(crew.news())
    crew.stop()
    assert all_news(crew)["torn"].how == "stopped"


def deaf(folder: Path) -> Work:
    """Does not hear the first request to stop, as where Ray loses it."""

    def work(on_progress: OnProgress, again: bool) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        for name in ("begun", "asked"):
            (folder / name).touch()
            try:
                while time.monotonic() < deadline_s:
                    time.sleep(0.05)
            except KeyboardInterrupt:
                if name == "asked":
                    raise

    return work


def test_who_does_not_hear_is_asked_again(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "ASKED_AGAIN_S", 1.0)
    crew.give("deaf", deaf(tmp_path), ONE)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline_s:
        list(crew.news())
    crew.stop()
    assert all_news(crew)["deaf"].how == "stopped"
    assert (tmp_path / "asked").exists()


def test_a_driver_of_another_version_is_refused_with_both_named(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musisep_cli import __version__

    monkeypatch.setattr(crews, "__version__", "9.9.9")
    with (
        pytest.raises(ClusterError, match=rf"has musisep {__version__}, this machine has 9\.9\.9"),
        hired(connection, tmp_path / "out", needs=ONE, most=None),
    ):
        pass
    assert not list((tmp_path / "out").iterdir())


def test_an_output_folder_that_workers_do_not_reach_is_refused(
    connection: Connection, tmp_path: Path
) -> None:
    """Through a descriptor that only this process has: as a disk that only the driver mounts."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    out = Path(f"/proc/self/fd/{os.dup2(descriptor, 345)}/out")
    try:
        with (
            pytest.raises(ClusterError, match=r"cannot reach the output folder /proc/self/fd/345"),
            hired(connection, out, needs=ONE, most=None),
        ):
            pass
    finally:
        os.close(descriptor)
        os.close(345)


def test_what_no_node_has_is_refused(connection: Connection, tmp_path: Path) -> None:
    refused = [(Needs(n_cpus=1000), "has room for --threads 1000: the largest has")]
    if not any(node.n_gpus for node in connection.nodes()):
        refused.append((Needs(n_gpus=1), "a GPU is asked for, and none of the 1 nodes"))
    for needs, message in refused:
        with (
            pytest.raises(ClusterError, match=message),
            hired(connection, tmp_path / "out", needs=needs, most=None),
        ):
            pass


def test_no_more_units_are_wanted_than_there_is_room_for(
    connection: Connection, tmp_path: Path
) -> None:
    n_cpus = sum(node.n_cpus for node in connection.nodes())
    with hired(connection, tmp_path / "out", needs=ONE, most=None) as crew:
        assert crew.n_wanted == crews.SPARE * n_cpus
    with hired(connection, tmp_path / "out", needs=ONE, most=3) as crew:
        assert crew.n_wanted == 3
