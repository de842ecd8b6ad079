"""Stopping: what is held out, when training no longer helps, and which weights stay."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from musisep_cli.methods.decoding.stopping import HELD_SHARE, Stopping, held_out
from tests.small import seeded


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(0, 100))
def test_whole_passages_are_held_out_until_they_are_a_tenth(frames: list[int], seed: int) -> None:
    passages = torch.tensor(frames, dtype=torch.long)
    with seeded(seed):
        held = held_out(passages)
    chosen, others = ({*passages[rows].tolist()} for rows in (held, ~held))
    assert not chosen & others
    assert bool(chosen) == (len({*frames}) > 1)
    if chosen:
        sizes = [frames.count(number) for number in chosen]
        assert sum(sizes) >= HELD_SHARE * len(frames) or len(others) == 1
        assert sum(sizes) - max(sizes) < HELD_SHARE * len(frames)  # whichever was drawn last


def test_every_passage_can_be_held_out() -> None:
    with seeded(0):
        drawn = {int(held_out(torch.arange(5)).nonzero()[0]) for _ in range(100)}
    assert drawn == {*range(5)}


@pytest.mark.parametrize(
    ("losses", "is_over", "kept"),
    [
        ([], False, 0),
        ([3.0], False, 0),
        ([3.0, 4.0], False, 0),
        ([3.0, 4.0, 5.0], True, 0),
        ([3.0, 3.0, 3.0], True, 0),
        ([3.0, 2.998, 2.996], True, 0),  # too little to be kept
        ([3.0, 2.998, 2.994], False, 40),
        ([3.0, 2.0, 2.1], False, 20),
        ([3.0, 2.0, 2.1, 2.2], True, 20),
        ([3.0, 2.0, 2.1, 1.5], False, 60),
        ([3.0, 2.0, 1.999, 1.996], True, 60),
        ([3.0, 2.0, 1.999, 1.994], False, 60),
        ([3.0, math.nan, 2.0], False, 40),
        ([3.0, math.nan, math.inf], True, 0),
        ([math.nan, 2.0, 1.0], False, 40),
        ([math.nan, math.nan, math.nan], False, 0),
    ],
)
def test_it_is_over_when_two_checks_gain_next_to_nothing(
    losses: list[float], is_over: bool, kept: int
) -> None:
    weight = torch.zeros(3)
    stopping = Stopping([weight])
    for number, loss in enumerate(losses):
        weight.fill_(number)
        stopping.check(20 * number, loss)
    assert stopping.is_over == is_over
    assert stopping.kept == kept
    weight.fill_(-1.0)
    stopping.take_best()
    assert_close(weight, torch.full((3,), kept / 20 if losses else -1.0))


def test_the_state_is_all_of_it_and_a_copy() -> None:
    weight = torch.zeros(2, requires_grad=True)
    stopping = Stopping([weight])
    stopping.check(0, 2.0)
    state = stopping.state_dict()
    stopping.check(20, 1.0)
    other = torch.ones(2)
    again = Stopping([other])
    again.load_state_dict(state)
    assert (again.losses, again.kept) == ({0: 2.0}, 0)
    again.take_best()
    assert_close(other, torch.zeros(2))
