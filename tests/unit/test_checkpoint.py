"""Checkpoints: runs that are stopped and go on, files that cannot be used."""

from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli import checkpoint
from musisep_cli.checkpoint import NEWEST, PREVIOUS, Checkpoints, encode, read
from musisep_cli.config import Config, Settings, compose
from musisep_cli.errors import CheckpointError, OutputError
from musisep_cli.pipeline import SeedResult, run_seed
from musisep_cli.recording import Recording
from tests.signals import duet

CPU = torch.device("cpu")
RATE_HZ = 8_000
RUN = "a run"
TINY: Settings = {
    "run": {"instruments": 2, "threads": 1},
    "dictionary": {"n_harmonics": 6},
    "network": {"base_channels": 4},
    "training": {"iterations": 4, "batch_size": 2},
    "warmstart": {"weights": ""},
    "search": {"beam": 2, "hypotheses": 3},
}


def recording() -> Recording:
    parts = duet(duration_s=4.0, sample_rate_hz=RATE_HZ)
    samples = sum(parts.values()).astype(np.float32)[:, None]
    return Recording(samples=samples, sample_rate_hz=RATE_HZ)


def never() -> bool:
    return False


class Stop:
    """Stops a run at a point from which it can go on, the first being 0."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, count()

    def __call__(self) -> bool:
        return next(self.count) == self.at


def stopped_and_resumed(config: Config, folder: Path, *stops: int) -> SeedResult:
    for number, at in enumerate(stops):
        checkpoints = Checkpoints(folder, RUN, Stop(at))
        state, problems = checkpoints.load()
        assert (state is None) == (number == 0)
        assert problems == []
        with pytest.raises(KeyboardInterrupt):
            run_seed(recording(), config, 1, CPU, ignore, checkpoints, state)
    checkpoints = Checkpoints(folder, RUN, never)
    state, _ = checkpoints.load()
    return run_seed(recording(), config, 1, CPU, ignore, checkpoints, state)


def ignore(_: object) -> None: ...


def assert_same(first: SeedResult, second: SeedResult) -> None:
    assert first.stems.tobytes() == second.stems.tobytes()
    assert first.dictionary.tobytes() == second.dictionary.tobytes()
    assert first.checkpoint == second.checkpoint
    assert first.curve == second.curve
    assert first.objective == second.objective
    for name in ("f0_hz", "amplitude", "on", "inharmonicity"):
        assert getattr(first.pitch, name).tobytes() == getattr(second.pitch, name).tobytes()


def settings(name: str) -> Config:
    if name != "untrained":
        return compose(name, TINY)
    config = compose("standard", TINY)  # the shipped weights, which are not trained, are large
    return replace(config, training=replace(config.training, iterations=0))


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, SeedResult]:
    return {
        name: run_seed(recording(), settings(name), 1, CPU, ignore)
        for name in ("standard", "untrained", "quick")
    }


# 4 s at 8 kHz are 375 frames, 6 blocks: standard listens (0 to 5), trains (6 to 9), listens again
# (10 to 15) and resynthesises; without training it listens once (0 to 5) and resynthesises; quick
# trains (0 to 3), and what it resynthesises starts anew.
@pytest.mark.parametrize(
    ("preset", "stops"),
    [
        ("standard", [0]),
        ("standard", [3]),
        ("standard", [5]),
        ("standard", [6]),
        ("standard", [9]),
        ("standard", [12]),
        ("standard", [15]),
        ("standard", [18]),
        ("standard", [2, 1, 2, 2, 3]),
        ("untrained", [2]),
        ("untrained", [5]),
        ("untrained", [8]),
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
    resumed = stopped_and_resumed(settings(preset), tmp_path, *stops)
    assert_same(resumed, undisturbed[preset])


def test_the_time_before_the_interruption_counts(tmp_path: Path) -> None:
    config = compose("quick", TINY)
    with pytest.raises(KeyboardInterrupt):
        run_seed(recording(), config, 1, CPU, ignore, Checkpoints(tmp_path, RUN, Stop(1)))
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
    (tmp_path / PREVIOUS).unlink()
    assert Checkpoints(tmp_path, RUN, never).load() == (None, [problem])


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    (tmp_path / NEWEST).write_bytes(encode({"run": RUN, "evil": Evil()}))
    with pytest.raises(CheckpointError, match="holds no state that can be read"):
        read(tmp_path / NEWEST, RUN)
    assert not (tmp_path / "harm").exists()


def test_a_full_disk_leaves_the_checkpoints_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(tmp_path, number=1)
    stop(tmp_path, number=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        Checkpoints(tmp_path, RUN, lambda: True).offer(lambda: {"number": 3})
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NEWEST, PREVIOUS])
    assert Checkpoints(tmp_path, RUN, never).load() == ({"number": 2, "run": RUN}, [])


def test_a_state_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    config = compose("quick", TINY)
    with pytest.raises(KeyboardInterrupt):
        run_seed(recording(), config, 1, CPU, ignore, Checkpoints(tmp_path, RUN, Stop(1)))
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
