"""Voices: every way to share tones out, once."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.players.voices import MELODY, Voices, VoicesConfig

COUNTS = st.lists(st.integers(1, 3), min_size=1, max_size=3)


@given(COUNTS)
def test_every_way_to_share_tones_out_is_listed_once(counts: list[int]) -> None:
    voices = Voices(tuple(counts))
    found = voices.assignments
    multinomial = math.factorial(sum(counts))
    for count in counts:
        multinomial //= math.factorial(count)
    assert found.shape == (multinomial, sum(counts))
    assert_array_equal(np.sort(found, 1), np.tile(np.arange(sum(counts)), (multinomial, 1)))
    shares = {
        tuple(frozenset(row[voices.players == i].tolist()) for i in range(len(counts)))
        for row in found
    }
    assert len(shares) == multinomial


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_single_voices_have_all_permutations(n: int) -> None:
    voices = Voices.single(n)
    assert voices.n_voices == n
    found = [tuple(row) for row in voices.assignments.tolist()]
    assert sorted(found) == list(permutations(range(n)))


@given(COUNTS)
def test_each_tone_is_played_by_the_owner_of_its_voice(counts: list[int]) -> None:
    voices = Voices(tuple(counts))
    for tones, players in zip(voices.assignments, voices.players_of_tones, strict=True):
        for voice, tone in enumerate(tones):
            assert players[tone] == voices.players[voice]


def test_the_settings_say_how_many_voices_there_are() -> None:
    assert Voices.wanted(3, VoicesConfig()).of_instruments == (1, 1, 1)
    assert Voices.wanted(2, VoicesConfig(of_instruments=(4, 1))).of_instruments == (4, 1)
    melody = Voices.wanted(1, VoicesConfig(melody=True))
    assert melody.of_instruments == MELODY
    assert (melody.n_instruments, melody.n_voices) == (2, sum(MELODY))


def test_instruments_are_alike_where_all_have_as_many_voices() -> None:
    assert Voices((2, 2)).alike
    assert not Voices((1, 2)).alike
