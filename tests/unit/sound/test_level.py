"""Levels in decibels: closed forms, and one law for numbers and arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.sound.level import LEAST_AMPLITUDE, decibels, decibels_of


@given(st.floats(-180, 100))
def test_a_level_is_twenty_times_the_logarithm(level_db: float) -> None:
    amplitude = 10 ** (level_db / 20)
    assert decibels(amplitude) == pytest.approx(level_db, abs=1e-9)
    assert decibels_of(np.array([amplitude]))[0] == pytest.approx(level_db, abs=1e-9)


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_a_gain_adds_its_level(amplitude: float, gain: float) -> None:
    louder, level, step = decibels(gain * amplitude), decibels(amplitude), decibels(gain)
    assert louder is not None
    assert level is not None
    assert step is not None
    assert louder == pytest.approx(level + step, abs=1e-9)


def test_silence_has_no_level_alone_and_the_least_in_an_array() -> None:
    assert decibels(0.0) is None
    levels_db = decibels_of(np.array([0.0, np.nan, 1.0]))
    np.testing.assert_allclose(levels_db, [20 * np.log10(LEAST_AMPLITUDE), np.nan, 0.0])
    assert decibels_of(np.zeros(1), least=1e-3)[0] == pytest.approx(-60)


def test_an_array_keeps_its_number_type() -> None:
    assert decibels_of(np.ones(3, np.float32)).dtype == np.float32
