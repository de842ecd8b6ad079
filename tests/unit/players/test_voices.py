"""Voices: every way to share tones out, once."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.players.voices import Voices

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
