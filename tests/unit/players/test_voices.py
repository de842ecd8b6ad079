"""Voices: every way to share out tones, each once."""

from itertools import permutations
from math import factorial, prod

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from musisep_cli.players.voices import MELODY, Voices, VoicesConfig


@pytest.mark.parametrize("numbers", [(1,), (1, 1), (2, 1), (1, 4), (2, 3), (1, 1, 3), (1, 1, 1, 1)])
def test_there_is_an_assignment_for_every_choice_of_each_instrument_s_tones(
    numbers: tuple[int, ...],
) -> None:
    voices = Voices(numbers)
    n = sum(numbers)
    assert voices.n_voices == n
    ways = {
        tuple(frozenset(way[voices.players == i]) for i in range(len(numbers)))
        for way in voices.assignments
    }
    n_ways = factorial(n) // prod(factorial(number) for number in numbers)
    assert len(ways) == len(voices.assignments) == n_ways
    assert_array_equal(np.sort(voices.assignments, 1), np.tile(np.arange(n), (n_ways, 1)))


def test_instruments_of_one_voice_are_permuted() -> None:
    found = Voices.single(3).assignments
    assert_array_equal(found, list(permutations(range(3))))


def test_the_players_of_the_tones_are_those_of_the_voices_that_play_them() -> None:
    voices = Voices((2, 1))
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
