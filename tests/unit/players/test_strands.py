"""Strands: notes stay with their voices."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.strands import strands

SEEDS = st.integers(0, 2**20)


@given(SEEDS)
def test_each_voice_gets_one_tone_of_its_own_instrument(seed: int) -> None:
    generator = np.random.default_rng(seed)
    players = np.array([0, 1, 1, 1, 2, 2])
    semitones, weights = generator.uniform(50, 80, (12, 6)), generator.integers(0, 2, (12, 6))
    order = strands(semitones, weights.astype(float), players)
    assert_array_equal(np.sort(order, 1), np.tile(np.arange(6), (12, 1)))
    assert_array_equal(players[order], np.tile(players, (12, 1)))


@given(SEEDS)
def test_held_notes_stay_in_one_voice_however_the_frames_are_shuffled(seed: int) -> None:
    generator = np.random.default_rng(seed)
    held = np.array([50.0, 60.0, 70.0]) + 0.1 * generator.random((20, 3))
    columns = np.argsort(generator.random((20, 3)), 1)
    shuffled = np.take_along_axis(held, columns, 1)
    order = strands(shuffled, np.ones((20, 3)), np.zeros(3, np.int64))
    played = np.take_along_axis(shuffled, order, 1)
    assert_allclose(played, np.tile(played[0], (20, 1)), atol=0.2)


@given(SEEDS)
def test_new_notes_go_where_the_way_is_least_of_all(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # No note is held: in the second frame every one is far from all of the first.
    first = 10.0 * np.arange(4) + generator.random(4)
    second = 10.0 * generator.permutation(4) + 4 + generator.random(4)
    order = strands(np.stack([first, second]), np.ones((2, 4)), np.zeros(4, np.int64))
    before, after = first[order[0]], second[order[1]]
    least = min(np.abs(before - second[list(way)]).sum() for way in permutations(range(4)))
    assert_allclose(np.abs(before - after).sum(), least)


def test_a_voice_that_ends_leaves_the_others_where_they_are() -> None:
    tones = np.array([[50.0, 60.0, 64.0, 67.0]] * 2 + [[50.0, 64.0, 67.0, 0.0]] * 2)
    weights = (tones > 0).astype(float)
    found = np.take_along_axis(tones, strands(tones, weights, np.array([0, 1, 1, 1])), 1)
    before, after = found[1, 1:], found[2, 1:]
    for held in (64.0, 67.0):
        assert np.flatnonzero(before == held) == np.flatnonzero(after == held)


def test_instruments_of_one_voice_keep_their_tones() -> None:
    tones = np.random.default_rng(0).uniform(40, 80, (9, 2))
    order = strands(tones, np.ones_like(tones), np.array([0, 1]))
    assert_array_equal(order, np.tile([0, 1], (9, 1)))
