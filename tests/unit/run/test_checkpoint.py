"""Checkpoints: runs that are stopped and go on, files that cannot be used."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.errors import CheckpointError, OutputError
from musisep_cli.methods.decoding import rehearsal
from musisep_cli.methods.decoding import separate as decoding
from musisep_cli.methods.decoding.rehearsal import Labels, Rehearsal
from musisep_cli.methods.method import Settings, State
from musisep_cli.run import checkpoint
from musisep_cli.run.checkpoint import NEWEST, PREVIOUS, Checkpoints, encode, read
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.recording import Recording
from tests.signals import duet

pytestmark = pytest.mark.usefixtures("every_frame_is_clear")
CPU = torch.device("cpu")
RATE_HZ = 8_000
RUN = "a run"
TINY: Settings = {
    "run": {"instruments": 2, "threads": 1},
    "dictionary": {"n_harmonics": 6},
    "network": {"base_channels": 4},
    "training": {"iterations": 4, "batch_size": 2},
    "warmstart": {"weights": ""},
}
NARROW: Settings = {
    "search": {"beam": 2, "hypotheses": 3},
    "frame": {"hop_zetas": 0.5},
    "decoding": {"note_reach": 4},
}
"""Of standard only: quick does not search. As many frames as of more instruments, so that there are
several blocks to stop at."""


def recording() -> Recording:
    parts = duet(duration_s=4.0, sample_rate_hz=RATE_HZ)
    samples = sum(parts.values()).astype(np.float32)[:, None]
    return Recording(samples=samples, sample_rate_hz=RATE_HZ)


def never() -> bool:
    return False


class Stop(Checkpoints):
    """Stops a run at a point from which it can go on, the first being 0; or in the midst of it,
    at a block of the decoding.
    """

    def __init__(self, folder: Path, at: int, *, decoding: bool = False) -> None:
        super().__init__(folder, RUN, lambda: self.now)
        self.at, self.decoding, self.now = at, decoding, False
        self.points, self.blocks = count(), count()
        self.offering = False

    def offer(self, state: Callable[[], State]) -> None:
        self.offering = True
        self.now = next(self.points) == self.at and not self.decoding
        super().offer(state)
        self.offering = False

    def pause(self, state: Callable[[], State]) -> None:
        if not self.offering:
            self.now = next(self.blocks) == self.at and self.decoding
        super().pause(state)


def stopped_and_resumed(config: Config, folder: Path, *stops: int) -> SeedResult:
    for number, at in enumerate(stops):
        stop_in(config, folder, Stop(folder, at), first=number == 0)
    return resumed(config, folder)


def stop_in(config: Config, folder: Path, checkpoints: Stop, *, first: bool) -> None:
    state, problems = checkpoints.load()
    assert (state is None) == first
    assert problems == []
    with pytest.raises(KeyboardInterrupt):
        run_seed(recording(), config, 1, CPU, ignore, checkpoints, state)


def resumed(config: Config, folder: Path) -> SeedResult:
    checkpoints = Checkpoints(folder, RUN, never)
    state, _ = checkpoints.load()
    result = run_seed(recording(), config, 1, CPU, ignore, checkpoints, state)
    checkpoints.remove()
    assert list(folder.iterdir()) == []
    return result


def frames_file(folder: Path, stage: str) -> Path:
    return folder / f"resume-{stage}.frames"


def ignore(_: object) -> None: ...


def assert_same(first: SeedResult, second: SeedResult) -> None:
    assert first.stems.tobytes() == second.stems.tobytes()
    assert first.dictionary.tobytes() == second.dictionary.tobytes()
    assert first.files == second.files
    assert first.curve == second.curve
    assert first.objective == second.objective
    for name in ("f0_hz", "amplitude", "on"):
        assert getattr(first.tracks, name).tobytes() == getattr(second.tracks, name).tobytes()


def settings(name: str) -> Config:
    if name == "untrained":
        # The shipped weights, which are not trained, are large.
        return compose("standard", TINY, NARROW, {"training": {"iterations": 0}})
    return compose(name, TINY, NARROW if name == "standard" else {})


@pytest.fixture(scope="module", autouse=True)
def training_helps() -> Iterator[None]:
    """Or else what a network learns that knows nothing would not be kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rehearsal, "loss_held_out", lambda self: -float(self.iteration))
        yield


@pytest.fixture(scope="module")
def undisturbed(every_frame_is_clear: None) -> dict[str, SeedResult]:
    return {
        name: run_seed(recording(), settings(name), 1, CPU, ignore)
        for name in ("standard", "untrained", "quick")
    }


# 4 s at 8 kHz are 375 frames, 6 blocks: standard listens (0 to 5), trains (6 to 9), listens again
# (10 to 15) and resynthesises; without training it listens once (0 to
# 5) and resynthesises; quick trains (0 to 3), and what it resynthesises starts anew.
@pytest.mark.parametrize(
    ("preset", "stops"),
    [
        *(
            pytest.param("standard", [at], marks=pytest.mark.slow)
            for at in (0, 3, 5, 6, 9, 12, 15, 18)
        ),
        ("standard", [2, 1, 2, 2, 3]),
        *(pytest.param("untrained", [at], marks=pytest.mark.slow) for at in (2, 5, 8)),
        ("untrained", [1, 2, 4, 1]),
        ("quick", [0]),
        ("quick", [3]),
        ("quick", [7]),
        ("quick", [1, 1, 3, 2]),
    ],
)
def test_a_resumed_run_ends_bit_for_bit_as_an_undisturbed_one(
    preset: str, stops: list[int], tmp_path: Path, undisturbed: dict[str, SeedResult]
) -> None:
    found = stopped_and_resumed(settings(preset), tmp_path, *stops)
    assert_same(found, undisturbed[preset])


@pytest.mark.parametrize(
    ("preset", "at"),
    [
        ("standard", 1),
        ("untrained", 40),
        *(pytest.param("standard", at, marks=pytest.mark.slow) for at in (0, 40)),
        *(pytest.param("untrained", at, marks=pytest.mark.slow) for at in (0, 1)),
    ],
)
def test_a_stop_while_frames_are_decoded_loses_none_of_them(
    preset: str, at: int, tmp_path: Path, undisturbed: dict[str, SeedResult]
) -> None:
    config = settings(preset)
    stop_in(config, tmp_path, Stop(tmp_path, at, decoding=True), first=True)
    state, _ = Checkpoints(tmp_path, RUN, never).load()
    assert state is not None
    assert state["stage"] == "listening"
    assert state["done"] == state["total"] == state["frames"]["rows"]
    assert_same(resumed(config, tmp_path), undisturbed[preset])


@pytest.mark.parametrize("stops", [[3, 4]])
def test_a_run_with_nothing_to_learn_from_goes_on_too(
    stops: list[int],
    tmp_path: Path,
    undisturbed: dict[str, SeedResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "clear_labels", lambda *_, **__: Labels.none(2))
    found = stopped_and_resumed(settings("standard"), tmp_path, *stops)
    assert found.curve == ()
    assert found.stems.tobytes() == undisturbed["untrained"].stems.tobytes()


@pytest.mark.parametrize("at", [7, *(pytest.param(at, marks=pytest.mark.slow) for at in (5, 6, 9))])
def test_a_training_that_is_undone_goes_on_too(
    at: int,
    tmp_path: Path,
    undisturbed: dict[str, SeedResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It stops after two steps (6 and 7), and what was heard before them (0 to 5) holds.
    monkeypatch.setattr(Rehearsal, "loss_held_out", lambda self: float(self.iteration))
    monkeypatch.setattr(rehearsal, "CHECK_STEPS", 1)
    found = stopped_and_resumed(settings("standard"), tmp_path, at)
    assert [report.iteration for report in found.curve] == [1, 2]
    assert found.stems.tobytes() == undisturbed["untrained"].stems.tobytes()


def test_what_is_learned_is_not_decoded_again(
    tmp_path: Path, undisturbed: dict[str, SeedResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings("standard")
    stop_in(config, tmp_path, Stop(tmp_path, 7), first=True)
    state, _ = Checkpoints(tmp_path, RUN, never).load()
    assert state is not None
    assert (state["stage"], state["done"]) == ("training", 2)
    assert len(state["method"]["labels"]["centres"]) == 8
    monkeypatch.setattr(decoding, "clear_labels", None)
    assert_same(resumed(config, tmp_path), undisturbed["standard"])


def test_frames_that_were_heard_after_the_checkpoint_are_heard_again(
    tmp_path: Path, undisturbed: dict[str, SeedResult]
) -> None:
    # As a kill leaves it: the file is ahead of the newest checkpoint, or of the one before it.
    config = settings("untrained")
    stop_in(config, tmp_path, Stop(tmp_path, 1), first=True)
    stop_in(config, tmp_path, Stop(tmp_path, 1), first=False)
    with frames_file(tmp_path, "listening").open("ab") as stream:
        stream.write(b"half a row")
    (tmp_path / NEWEST).unlink()
    assert_same(resumed(config, tmp_path), undisturbed["untrained"])


@pytest.mark.parametrize(
    ("place", "used"), [(-1, "the one before it"), (0, "none"), (None, "none")]
)
def test_frames_that_are_damaged_are_named(
    place: int | None, used: str, tmp_path: Path, undisturbed: dict[str, SeedResult]
) -> None:
    config = settings("untrained")
    for number in range(2):
        stop_in(config, tmp_path, Stop(tmp_path, 1), first=number == 0)
    path = frames_file(tmp_path, "listening")
    if place is None:
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
    state, problems = Checkpoints(tmp_path, RUN, never).load()
    assert (None if state is None else state["done"]) == {"none": None}.get(used, 128)
    assert len(problems) == (2 if used == "none" else 1)
    assert all(problem.startswith(str(path)) for problem in problems)
    assert_same(resumed(config, tmp_path), undisturbed["untrained"])


def test_a_checkpoint_is_small_however_much_was_heard(tmp_path: Path) -> None:
    config = settings("untrained")
    stop_in(config, tmp_path, Stop(tmp_path, 0), first=True)
    early = (tmp_path / NEWEST).stat().st_size
    stop_in(config, tmp_path, Stop(tmp_path, 4), first=False)
    assert (tmp_path / NEWEST).stat().st_size < early + 100
    assert frames_file(tmp_path, "listening").stat().st_size > 375 * 100


def test_a_stage_that_there_is_not_is_refused(tmp_path: Path) -> None:
    stop(tmp_path, stage="../../x", frames={"rows": 1})
    state, [problem] = Checkpoints(tmp_path, RUN, never).load()
    assert state is None
    assert "is of no known stage" in problem


def test_frames_of_no_checkpoint_are_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, RUN, never)
    checkpoints.spool("listening").close()
    checkpoints.spool("transcription").close()
    (tmp_path / "a user's.frames").touch()
    stop(tmp_path, number=1)
    checkpoints.remove_unused()
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / NEWEST).unlink()
    checkpoints.remove_unused()
    assert [path.name for path in tmp_path.iterdir()] == ["a user's.frames"]


def test_the_time_before_the_interruption_counts(tmp_path: Path) -> None:
    config = compose("quick", TINY)
    with pytest.raises(KeyboardInterrupt):
        run_seed(recording(), config, 1, CPU, ignore, Stop(tmp_path, 1))
    state = read(tmp_path / NEWEST, RUN)
    resumed = run_seed(recording(), config, 1, CPU, ignore, None, {**state, "wall_s": 1000.0})
    assert resumed.wall_s > 1000.0


# Files


def stop(folder: Path, **state: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        Checkpoints(folder, RUN, lambda: True).offer(lambda: state)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for number in range(3):
        stop(tmp_path, number=number)
    assert read(tmp_path / NEWEST, RUN)["number"] == 2
    assert read(tmp_path / PREVIOUS, RUN)["number"] == 1
    Checkpoints(tmp_path, RUN, never).remove()
    assert list(tmp_path.iterdir()) == []


def test_one_is_written_when_it_is_time_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, RUN, never)
    checkpoints.offer(dict)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(checkpoint, "INTERVAL_S", 0.0)
    checkpoints.offer(lambda: {"number": 1})
    assert checkpoints.load() == ({"number": 1, "run": RUN}, [])


DAMAGES = {
    "truncated": (lambda content: content[: len(content) // 2], "is damaged or cut off"),
    "one bit": (
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "is damaged or cut off",
    ),
    "empty": (lambda content: b"", "is not a checkpoint"),
    "another file": (lambda content: b"RIFF" + content, "is not a checkpoint"),
    "another run": (lambda content: encode({"run": "of other settings"}), "another recording"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_one_that_cannot_be_used_is_named_and_the_one_before_it_used(
    name: str, tmp_path: Path
) -> None:
    stop(tmp_path, number=1)
    stop(tmp_path, number=2)
    damage, words = DAMAGES[name]
    newest = tmp_path / NEWEST
    newest.write_bytes(damage(newest.read_bytes()))
    state, [problem] = Checkpoints(tmp_path, RUN, never).load()
    assert state == {"number": 1, "run": RUN}
    assert problem.startswith(str(newest))
    assert words in problem
    assert Checkpoints(tmp_path, RUN, never).load() == (state, [])
    newest.write_bytes(damage(newest.read_bytes()))
    assert Checkpoints(tmp_path, RUN, never).load() == (None, [problem])


def test_a_damaged_one_is_not_kept_in_the_place_of_the_one_that_is_used(tmp_path: Path) -> None:
    for number in (1, 2):
        stop(tmp_path, number=number)
    (tmp_path / NEWEST).write_bytes(b"")
    Checkpoints(tmp_path, RUN, never).load()
    stop(tmp_path, number=3)
    assert read(tmp_path / NEWEST, RUN)["number"] == 3
    assert read(tmp_path / PREVIOUS, RUN)["number"] == 1


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    (tmp_path / NEWEST).write_bytes(encode({"run": RUN, "evil": Evil()}))
    with pytest.raises(CheckpointError, match="holds no state that can be read"):
        read(tmp_path / NEWEST, RUN)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(("place", "name"), [(Path, "write_bytes"), (os, "fsync")])
def test_a_full_disk_leaves_the_checkpoints_as_they_were(
    place: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(tmp_path, number=1)
    stop(tmp_path, number=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, name, full)
    with pytest.raises(OutputError, match="No space left"):
        Checkpoints(tmp_path, RUN, lambda: True).offer(lambda: {"number": 3})
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NEWEST, PREVIOUS])
    assert Checkpoints(tmp_path, RUN, never).load() == ({"number": 2, "run": RUN}, [])
    assert read(tmp_path / PREVIOUS, RUN)["number"] == 1


def test_a_state_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    config = compose("quick", TINY)
    with pytest.raises(KeyboardInterrupt):
        run_seed(recording(), config, 1, CPU, ignore, Stop(tmp_path, 1))
    state = read(tmp_path / NEWEST, RUN)
    for name in ("stage", "generator", "curve", "wall_s"):
        lacking = {key: value for key, value in state.items() if key != name}
        with pytest.raises(CheckpointError, match="without --resume"):
            run_seed(recording(), config, 1, CPU, ignore, None, lacking)
    larger = compose("quick", TINY, {"network": {"base_channels": 8}})
    with pytest.raises(CheckpointError, match="without --resume"):
        run_seed(recording(), larger, 1, CPU, ignore, None, state)


# Fuzzing: whatever a file holds, reading it gives a state or this one error.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(content=st.binary() | values.map(lambda value: encode(value)))  # type: ignore[arg-type]
def test_any_content(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    path.write_bytes(content)
    with suppress(CheckpointError):
        assert read(path, RUN)["run"] == RUN


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(encode({"run": RUN, "weights": torch.arange(40.0)}))
    content[place % len(content)] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read(path, RUN)
