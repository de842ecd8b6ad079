"""Leaves: the arrays of records in records, by name, and records made of them again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.framewise import FrameRows, Frames
from musisep_cli.frames.leaves import from_leaves, leafwise, leaves
from musisep_cli.frames.spool import Spool, SpooledFrames
from musisep_cli.tones.tones import Tones

CPU = torch.device("cpu")
NAMES = ["level", "heard.tones.on", "heard.tones.f0_bins", "heard.tones.inharmonicity", "heard.at"]


@dataclass(frozen=True)
class Heard(FrameRows):
    tones: Tones
    at: Tensor


@dataclass(frozen=True)
class Sound(FrameRows):
    """Three deep: a row takes an odd number of bytes."""

    level: Tensor
    heard: Heard


def sounds(n_frames: int) -> Sound:
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(n_frames, *shape, generator=generator)

    tones = Tones(numbers(2) < 0.5, numbers(2).double(), numbers(2).half())
    return Sound(numbers(3), Heard(tones, torch.arange(n_frames)))


def test_the_leaves_are_named_by_the_way_to_them_and_are_the_arrays_themselves() -> None:
    whole = sounds(4)
    assert list(leaves(whole)) == NAMES
    assert leaves(whole)["heard.tones.f0_bins"] is whole.heard.tones.f0_bins


def test_a_record_is_made_of_its_leaves_in_any_order() -> None:
    whole = sounds(4)
    again = from_leaves(Sound, dict(reversed(leaves(whole).items())))
    assert isinstance(again.heard.tones, Tones)
    for name, values in leaves(whole).items():
        assert leaves(again)[name] is values


@pytest.mark.parametrize("missing", NAMES)
def test_a_leaf_that_is_missing_is_named(missing: str) -> None:
    values = leaves(sounds(2))
    del values[missing]
    with pytest.raises(KeyError, match=missing.rsplit(".", 1)[-1]):
        from_leaves(Sound, values)


def test_what_is_done_to_the_leaves_takes_those_of_one_name_together() -> None:
    first, second = sounds(3), leafwise(lambda values: 1 + values, sounds(3))
    differences = leafwise(lambda one, other: other.double() - one.double(), first, second)
    for name, values in leaves(differences).items():
        assert_close(values, torch.ones_like(values), atol=1e-3, rtol=0, msg=name)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 9))
def test_frames_of_records_in_records_are_kept_in_memory_and_in_files(
    lengths: list[int], first: int, last: int
) -> None:
    whole = sounds(sum(lengths))
    in_memory = Frames(Sound, len(whole))
    with closing(Spool.temporary()) as spool:
        in_a_file, start = SpooledFrames(Sound, spool, CPU), 0
        for length in lengths:
            part = whole[start : start + length]
            in_memory.add(part)
            in_a_file.add(part)
            start += length
        assert list(spool.dtype.names or ()) == NAMES
        assert len(whole) == len(in_a_file) == in_memory.n_done
        for kept in (in_memory.joined()[first:last], in_a_file[first:last]):
            for name, values in leaves(whole[first:last]).items():
                assert_close(leaves(kept)[name], values, atol=0, rtol=0, msg=name)


def test_records_stand_beside_each_other_leaf_by_leaf() -> None:
    one, other = sounds(4).heard.tones, leafwise(lambda values: 3 * values, sounds(4).heard.tones)
    both = one.beside(other)
    for name, values in leaves(both).items():
        assert_close(values, torch.cat([leaves(one)[name], leaves(other)[name]], 1))
