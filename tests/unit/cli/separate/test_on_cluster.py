"""Separation on a cluster without one: a crew that does every unit in this process, in turn."""

import json
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.cli.separate import on_cluster, place
from musisep_cli.errors import MusisepError, OutputError
from musisep_cli.methods.method import Progress
from musisep_cli.run.cluster.connection import Connection, Node
from musisep_cli.run.cluster.crew import Ended, Needs
from tests.cli.separating import contents, invoke
from tests.paced_method import PacedMethod, write_songs

FLAGS = ("-n", 2, "--preset", PacedMethod.name, "--cpu", "--threads", 1)
Fate = Callable[[Any], Ended | None]


class Crew:
    """Does one unit at a time, unless its fate is another."""

    needs = Needs()

    def __init__(self, fate: Fate, n_wanted: int = 3) -> None:
        self.fate, self.at_most = fate, n_wanted
        self.given: deque[tuple[Any, bytes]] = deque()
        self.most_in_hand = 0

    @property
    def n_in_hand(self) -> int:
        return len(self.given)

    @property
    def n_wanted(self) -> int:
        return self.at_most - self.n_in_hand

    def give(self, key: Any, work: Any, needs: Needs) -> None:
        assert key not in [other for other, _ in self.given]
        self.given.append((key, pickle.dumps(work)))
        self.most_in_hand = max(self.most_in_hand, len(self.given))

    def stop(self, keys: Collection[Any] | None = None) -> None:
        stopped = pickle.dumps(None)
        self.given = deque(
            (key, stopped if keys is None or key in keys else work) for key, work in self.given
        )

    def news(self) -> Iterator[tuple[Any, Progress] | Ended]:
        if not self.given:
            return
        key, packed = self.given.popleft()
        work, ended = pickle.loads(packed), self.fate(key)
        reports: list[Progress] = []
        if ended is None and work is None:
            ended = Ended(key=key, how="stopped")
        if ended is None:
            try:
                ended = Ended(key=key, how="done", value=work(reports.append, False))
            except MusisepError as error:
                ended = Ended(key=key, how="failed", value=error)
        yield from ((key, progress) for progress in reports[::7])
        yield ended


@pytest.fixture
def hire(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fate], Crew]:
    """Puts a crew in the place of a cluster's."""

    def hired_as(fate: Fate) -> Crew:
        crew = Crew(fate)

        @contextmanager
        def hired(*_: Any, **__: Any) -> Iterator[Crew]:
            yield crew

        @contextmanager
        def connected(address: str, **_: Any) -> Iterator[Connection]:
            node = Node(id="a", host="one", n_cpus=4, n_gpus=0)
            monkeypatch.setattr(Connection, "nodes", lambda self: [node])
            yield Connection(address=address)

        monkeypatch.setattr(on_cluster, "hired", hired)
        monkeypatch.setattr(place, "connected", connected)
        return crew

    return hired_as


def as_it_is(key: Any) -> Ended | None:
    return None


def separate(songs: Path, *arguments: object) -> Any:
    return invoke(songs, *FLAGS, "-o", songs.parent / "out", "--cluster", "auto", *arguments)


def test_the_files_are_those_of_one_process_and_paths_are_as_given(
    hire: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_songs(tmp_path, "a", "b", "c")
    monkeypatch.chdir(tmp_path)
    crew = hire(as_it_is)
    flags = ("--seeds", 2, "-v")
    result = invoke("songs", *FLAGS, *flags, "-o", "out", "--cluster", "auto")
    assert result.exit_code == 0, result.output
    assert "on cluster auto (1 node, 4 CPUs), each seed on cpu, 1 thread; preset" in result.stderr
    assert "[2/3] songs/b.wav: 0:00, 16000 Hz, mono -> out/musisep/b" in result.stderr
    assert "c: seed 1: done" in result.stderr
    assert "3 recordings: 3 done" in result.stdout
    assert crew.most_in_hand == 3
    invoke("songs", *FLAGS, *flags, "-o", "alone")
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_what_is_done_is_not_done_again(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")
    hire(as_it_is)
    assert separate(songs).exit_code == 0
    before = contents(tmp_path / "out")
    again = separate(songs)
    assert again.exit_code == 0
    assert "2 recordings: 2 nothing to do" in again.stdout
    assert contents(tmp_path / "out") == before


def test_a_bad_recording_does_not_stop_the_others(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "c")
    (songs / "b.wav").write_bytes(b"RIFF")

    def fate(key: Any) -> Ended | None:
        how = {(1, on_cluster.LOOK): "failed", (2, 0): "bug"}.get(key)
        return Ended(key=key, how=how, value="here\nTypeError: none") if how else None  # type: ignore[arg-type]

    hire(fate)
    result = separate(songs, "--json")
    assert result.exit_code == 1
    found = {Path(each["input"]).stem: each for each in map(json.loads, result.stdout.splitlines())}
    assert {name: each["status"] for name, each in found.items()} == {
        "a": "done",
        "b": "failed",
        "c": "failed",
    }
    assert found["c"]["error"] == "TypeError: none (a bug in musisep; see the traceback)"
    assert "here\nTypeError: none" in result.stderr


def test_a_seed_that_was_given_up_is_named_and_another_chosen(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a")
    hire(lambda key: Ended(key=key, how="died", value="with its node") if key[1] == 1 else None)
    result = separate(songs, "--seeds", 3)
    assert result.exit_code == 1
    assert "the workers of seed 1 (with its node) died 3 times without getting" in result.stderr
    manifest = json.loads((tmp_path / "out" / "musisep" / "a" / "manifest.json").read_text())
    assert [row["seed"] for row in manifest["ranking"]] == [2, 0]


def test_an_error_of_one_seed_ends_its_recording_alone(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")
    error = OutputError("made to happen")
    hire(lambda key: Ended(key=key, how="failed", value=error) if key == (0, 0) else None)
    result = separate(songs, "--seeds", 3)
    assert result.exit_code == 1
    assert "a.wav: made to happen" in result.stderr
    assert "2 recordings: 1 failed, 1 done" in result.stdout
    assert not list((tmp_path / "out").rglob("a/seeds/002/seed.json"))


def test_a_node_that_does_not_fit_ends_all_with_exit_code_1(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")
    hire(lambda key: Ended(key=key, how="unfit", value="no GPU") if key == (1, 0) else None)
    result = separate(songs, "--seeds", 2)
    assert result.exit_code == 1
    assert "error: no GPU" in result.stderr


def test_a_signal_ends_all_with_exit_code_130(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")

    def interrupt(key: Any) -> None:
        if key == (0, 0):
            os.kill(os.getpid(), signal.SIGINT)

    hire(interrupt)
    result = separate(songs, "--seeds", 2)
    assert result.exit_code == 130
    assert "2 recordings: 2 interrupted" in result.stdout
    hire(as_it_is)
    assert separate(songs, "--seeds", 2, "--resume").exit_code == 0


def test_a_signal_between_two_recordings_is_no_success(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")

    def interrupt(key: Any) -> None:
        if key == (0, on_cluster.FINISH):
            os.kill(os.getpid(), signal.SIGINT)

    hire(interrupt).at_most = 1
    result = separate(songs)
    assert result.exit_code == 130
    assert "2 recordings: 1 done, 1 interrupted" in result.stdout
    assert "Recordings done before it: 1" in result.stderr


def test_a_recording_that_changes_meanwhile_is_refused(hire: Any, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b")

    def exchange(key: Any) -> None:
        if key == (0, 1):
            (songs / "b.wav").replace(songs / "a.wav")

    hire(exchange)
    result = separate(songs / "a.wav", "--seeds", 2)
    assert result.exit_code == 1
    assert "a.wav: is not on all machines the same, or changed since it was" in result.stderr
    assert "(input)" in result.stderr
