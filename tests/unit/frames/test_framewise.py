"""Framewise: blocks of rows, also of rows in rows."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from musisep_cli.frames.framewise import FrameRows, stretches


@dataclass(frozen=True)
class Tone(FrameRows):
    pitch: NDArray[np.int64]


@dataclass(frozen=True)
class Sound(FrameRows):
    tone: Tone
    level: NDArray[np.int64]


@given(st.integers(0, 9), st.integers(0, 9))
def test_a_block_of_rows_has_that_of_every_field(first: int, last: int) -> None:
    pitch, level = np.arange(14).reshape(7, 2), np.arange(7)
    whole = Sound(Tone(pitch), level)
    part = whole[first:last]
    assert len(whole) == 7
    assert len(part) == len(level[first:last])
    assert_array_equal(part.tone.pitch, pitch[first:last])
    assert_array_equal(part.level, level[first:last])


@given(st.integers(0, 40), st.integers(1, 9))
def test_stretches_are_all_frames_once_and_none_is_too_long(n_frames: int, length: int) -> None:
    found = list(stretches(n_frames, length))
    assert [n for block in found for n in range(n_frames)[block]] == list(range(n_frames))
    assert all(0 < block.stop - block.start <= length for block in found)
