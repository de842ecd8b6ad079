"""Spools: rows come back as they were, files go on where they were marked, and full disks show."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.errors import CheckpointError, OutputError
from musisep_cli.frames.spool import Spool, SpooledFrames

CPU = torch.device("cpu")
ROW = np.dtype([("level", "<f4", (3,)), ("on", "?"), ("timbre", "<f2", (2, 2))])
FULL = Path("/dev/full")


@dataclass(frozen=True)
class Sound:
    """A row takes an odd number of bytes."""

    level: Tensor
    on: Tensor
    timbre: Tensor


def sounds(n_frames: int) -> Sound:
    generator = torch.Generator().manual_seed(0)
    return Sound(
        level=torch.rand(n_frames, 3, generator=generator),
        on=torch.rand(n_frames, generator=generator) < 0.5,
        timbre=torch.rand(n_frames, 2, 2, generator=generator).half(),
    )


def rows(n_rows: int, seed: int = 0) -> NDArray[Any]:
    found = np.zeros(n_rows, ROW)
    found["level"] = np.random.default_rng(seed).random((n_rows, 3))
    return found


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 30), st.integers(0, 30))
def test_rows_come_back_as_they_were(lengths: list[int], first: int, last: int) -> None:
    values = np.random.default_rng(0).integers(0, 99, (sum(lengths), 2, 3)).astype(np.int32)
    with closing(Spool.temporary()) as spool:
        for block in np.split(values, np.cumsum(lengths)[:-1]):
            spool.append(block)
        assert len(spool) == len(values)
        assert_array_equal(spool[first:last], values[first:last])
        assert_array_equal(spool[:], values)


@pytest.mark.parametrize("cuts", [[12], [5, 12], [1, 2, 12]])
def test_frames_come_back_as_they_were_and_go_on(cuts: list[int], tmp_path: Path) -> None:
    whole, path = sounds(12), tmp_path / "frames"
    with closing(Spool.create(path)) as spool:
        frames = SpooledFrames(Sound, spool, CPU)
        for first, last in zip([0, *cuts], cuts, strict=False):
            frames.add(Sound(**{name: x[first:last] for name, x in vars(whole).items()}))
        mark = spool.mark()
        frames.add(whole)  # after the mark: lost
    with closing(Spool.reopen(path, mark)) as spool:
        again = SpooledFrames(Sound, spool, CPU)
        assert len(again) == 12
        again.add(whole)
        assert spool.mark()["rows"] == 24
        for name, values in vars(whole).items():
            assert_close(getattr(again[:], name), torch.cat([values, values]), atol=0, rtol=0)
            assert_close(getattr(again[11:12], name), values[11:], atol=0, rtol=0)
    assert path.stat().st_size == 24 * ROW.itemsize


def test_what_is_new_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"left over by a process that was killed")
    with closing(Spool.create(path)) as spool:
        spool.append(rows(1))
    assert path.stat().st_size == ROW.itemsize


# Damage


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    path = tmp_path / "frames"
    with closing(Spool.create(path)) as spool:
        spool.append(rows(9))
        yield path, spool.mark()


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_bit_is_noticed(marked: tuple[Path, dict[str, Any]], place: int) -> None:
    path, mark = marked
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="frames: is damaged or cut off"):
        Spool.reopen(path, mark)


def test_an_end_that_is_cut_off_and_a_file_that_is_gone(
    marked: tuple[Path, dict[str, Any]],
) -> None:
    path, mark = marked
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CheckpointError, match="is damaged or cut off"):
        Spool.reopen(path, mark)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        Spool.reopen(path, mark)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": -1},
        {"rows": 10**30},
        {"rows": None},
        {"fields": [["level", "|O", [3]]]},
        {"fields": [["level", "no such type", [3]]]},
        {"fields": [["level", "<f4"]]},
        {"fields": []},
        {"fields": 3},
        {"sha256": None},
    ],
)
def test_a_mark_that_describes_nothing(
    marked: tuple[Path, dict[str, Any]], wrong: dict[str, Any]
) -> None:
    path, mark = marked
    before = path.read_bytes()
    with pytest.raises(CheckpointError):
        Spool.reopen(path, {**mark, **wrong})
    assert path.read_bytes() == before


def test_a_file_that_another_program_cuts_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    with closing(Spool.create(path)) as spool:
        spool.append(rows(9))
        os.truncate(path, 10)
        with pytest.raises(OutputError, match="frames: was cut off"):
            spool[:]


# Disks


@pytest.mark.skipif(not FULL.exists(), reason="the system has no full device")
def test_a_full_disk_is_an_error_of_a_line(tmp_path: Path) -> None:
    with (
        closing(Spool(FULL.open("rb+", buffering=0), tmp_path)) as spool,
        pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)") as told,
    ):
        spool.append(rows(1))
    assert "\n" not in str(told.value)
    assert "--resume" in str(told.value)


def test_a_folder_that_is_not_there_is_an_error_of_a_line(tmp_path: Path) -> None:
    for make in (lambda: Spool.create(tmp_path / "no" / "f"), lambda: Spool.temporary(FULL)):
        with pytest.raises(OutputError, match="cannot be written"):
            make()


def test_a_temporary_file_has_no_name_that_could_be_left_over(tmp_path: Path) -> None:
    with closing(Spool.temporary(tmp_path)) as spool:
        spool.append(rows(1))
        assert list(tmp_path.iterdir()) == []
