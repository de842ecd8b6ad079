"""Strands: notes stay with their voices, whatever the order in which a frame names its tones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.players.strands import strands

PLAYERS = np.array([0, 1, 1, 1])


@given(st.integers(0, 2**20))
def test_held_notes_stay_with_one_voice_each(seed: int) -> None:
    generator = np.random.default_rng(seed)
    held = np.array([50.0, 60.0, 64.0, 67.0])
    order = np.stack([np.concatenate([[0], 1 + generator.permutation(3)]) for _ in range(30)])
    tones = held[order]
    found = np.take_along_axis(tones, strands(tones, np.ones_like(tones), PLAYERS), 1)
    assert_array_equal(found, np.tile(found[0], (30, 1)))
    assert_array_equal(np.sort(found[0]), held)


def test_a_voice_that_ends_leaves_the_others_where_they_are() -> None:
    tones = np.array([[50.0, 60.0, 64.0, 67.0]] * 2 + [[50.0, 64.0, 67.0, 0.0]] * 2)
    weights = (tones > 0).astype(float)
    found = np.take_along_axis(tones, strands(tones, weights, PLAYERS), 1)
    before, after = found[1, 1:], found[2, 1:]
    for held in (64.0, 67.0):
        assert np.flatnonzero(before == held) == np.flatnonzero(after == held)


def test_instruments_of_one_voice_keep_their_tones() -> None:
    tones = np.random.default_rng(0).uniform(40, 80, (9, 2))
    order = strands(tones, np.ones_like(tones), np.array([0, 1]))
    assert_array_equal(order, np.tile([0, 1], (9, 1)))
