"""Rests: their share by hand, and what a rest costs at each share."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.rests import FEW_RESTS, LEAST_COST, rest_share, with_rests

CONFIG = DecodingConfig()


def loudness(frames: list[list[float]]) -> NDArray[np.float64]:
    """The tones of every frame's most probable hypothesis."""
    return np.array(frames)


def test_the_share_is_that_of_labels_without_a_tone_in_the_most_probable_hypotheses() -> None:
    frames = loudness([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert rest_share(frames, 4, 0.01) == pytest.approx(5 / 8)


def test_a_quiet_frame_says_little_and_a_faint_tone_nothing() -> None:
    # The usual loudness is that of the tones of 1; a frame at 0.04 of it has a say of 0.2.
    frames = loudness([[1.0, 1.0], [1.0, 0.001], [0.04, 0.0]])
    usual = (1 + 1 + 1 + 1e-6 + 0.04**2) / (1 + 1 + 1 + 0.001 + 0.04)
    say = math.sqrt(0.04 / usual)
    assert rest_share(frames, 2, 0.01) == pytest.approx(1 - (2 + 1 + say) / (2 * (2 + say)))


def test_of_chords_as_many_tones_are_expected_as_there_are_instruments() -> None:
    frames = loudness([[1.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]])
    assert rest_share(frames, 2, 0.01) == 0


@pytest.mark.parametrize(
    ("n_tones", "share"),
    [
        (10, 1.0),
        (7, 1.0),
        (6, math.log(6 / 4) / math.log(7 / 3)),
        (5, LEAST_COST),
        (1, LEAST_COST),
    ],
)
def test_a_rest_costs_its_log_odds(n_tones: int, share: float) -> None:
    frames = loudness([[1.0] * n_tones + [0.0] * (10 - n_tones)])
    found = with_rests(CONFIG, frames, 10)
    assert found.weight_rest == pytest.approx(share * CONFIG.weight_rest)
    assert replace(found, weight_rest=CONFIG.weight_rest) == CONFIG


@given(st.lists(st.lists(st.floats(0, 2), min_size=3, max_size=3), min_size=1, max_size=6))
def test_more_tones_never_make_a_rest_cheaper(frames: list[list[float]]) -> None:
    def cost(n_instruments: int) -> float:
        return with_rests(CONFIG, loudness(frames), n_instruments).weight_rest

    assert 0 < cost(3) <= cost(2) <= cost(1) <= CONFIG.weight_rest
    assert 0 <= rest_share(loudness(frames), 3, CONFIG.faint) <= 1


def test_silence_leaves_a_rest_a_cost_that_is_a_number() -> None:
    silent = loudness([[0.0, 0.0]])
    assert math.isfinite(with_rests(CONFIG, silent, 2).weight_rest)
    assert 0 < FEW_RESTS < 0.5
