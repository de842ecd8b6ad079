"""Likeness: how like two instruments are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.tones.identity import N_HARMONICS, Identity
from musisep_cli.tones.likeness import (
    MOST_SQUARED,
    SLACK_DB,
    SLACK_PER_SEMITONE_DB,
    assigned,
    misfit,
    misfits,
    predicted,
)
from musisep_cli.tones.timbre import LOWEST_SEMITONE, N_SEMITONES

FALLING = -2.0 * np.arange(N_HARMONICS)
ODD = np.where(np.arange(N_HARMONICS) % 2, -35.0, -4.0)


def instrument(levels_db: np.ndarray, *pitches_midi: int) -> Identity:
    level_db, heard_s = np.zeros((N_SEMITONES, N_HARMONICS)), np.zeros(N_SEMITONES)
    for midi in pitches_midi:
        level_db[midi - LOWEST_SEMITONE], heard_s[midi - LOWEST_SEMITONE] = levels_db, 1.0
    return Identity(
        level_db=level_db,
        spread_db=np.zeros_like(level_db),
        heard_s=heard_s,
        reach=np.full(N_SEMITONES, N_HARMONICS),
    )


def test_an_instrument_is_like_itself() -> None:
    one = instrument(FALLING, 60, 64, 67)
    assert misfit(known=one, heard=one) == pytest.approx(0.0, abs=1e-9)


def test_it_is_still_like_itself_at_other_pitches_of_its_register() -> None:
    known, heard = instrument(FALLING, 60, 64, 67), instrument(FALLING, 62, 65)
    assert misfit(known=known, heard=heard) < 0.05


def test_another_timbre_is_further_than_another_register() -> None:
    known = instrument(FALLING, 60, 64, 67)
    other, higher = instrument(ODD, 60, 64, 67), instrument(FALLING, 65, 69, 72)
    assert misfit(known=known, heard=higher) < 1 < misfit(known=known, heard=other)


def test_of_two_with_one_timbre_the_register_decides() -> None:
    low, high = instrument(FALLING, 40, 45), instrument(FALLING, 70, 75)
    heard = instrument(FALLING, 42, 43)
    assert misfit(known=low, heard=heard) < misfit(known=high, heard=heard)


def test_a_shift_of_all_levels_does_not_count() -> None:
    known = instrument(FALLING[:10].repeat(3)[:N_HARMONICS], 60)
    louder = replace(known, level_db=known.level_db + 3 * (known.heard_s > 0)[:, None])
    assert misfit(known=known, heard=louder) == pytest.approx(0.0, abs=1e-9)


def test_harmonics_that_neither_has_are_left_out() -> None:
    faint = FALLING.copy()
    faint[5:] = -49.0
    fainter = faint.copy()
    fainter[5:] = -45.0
    pair = instrument(faint, 60), instrument(fainter, 60)
    assert misfit(known=pair[0], heard=pair[1]) == pytest.approx(0.0, abs=1e-9)


def test_no_harmonic_counts_more_than_its_most() -> None:
    known, heard = instrument(np.full(N_HARMONICS, -3.0), 60), instrument(ODD * 1000, 60)
    assert misfit(known=known, heard=heard) <= MOST_SQUARED


def test_without_tones_it_is_infinite() -> None:
    none, some = instrument(FALLING), instrument(FALLING, 60)
    assert misfit(known=none, heard=some) == misfit(known=some, heard=none) == math.inf


def test_the_variance_grows_with_the_distance_to_what_was_heard() -> None:
    level_db, variance, reach = predicted(instrument(FALLING, 60))
    row = 60 - LOWEST_SEMITONE
    assert_allclose(level_db[row], FALLING)
    assert_allclose(variance[row], SLACK_DB**2)
    assert_allclose(variance[row + 3], SLACK_DB**2 + (3 * SLACK_PER_SEMITONE_DB) ** 2, rtol=1e-6)
    assert reach.all()


def test_the_sum_of_all_misfits_decides_who_gets_which_stem() -> None:
    assert assigned(np.array([[0.1, 0.5], [0.2, np.inf]])) == ([0, 1], [1, 0])
    assert assigned(np.array([[2.0], [1.0]])) == ([1], [0])


def test_an_instrument_is_as_near_as_the_best_of_its_identities() -> None:
    one, other = instrument(FALLING, 60), instrument(ODD, 60)
    found = misfits([[one, other], [other]], [one])
    assert_allclose(found, [[0.0], [misfit(known=other, heard=one)]], atol=1e-9)
    assert misfits([], [one]).shape == (0, 1)
