"""Partials that are no multiples: bars and bells have them, strings and pipes do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.inspection.inharmonic import LEAST_TOLERANCE_HZ, MOST_SERIES, inharmonic_share

BAR = (1.0, 2.756, 5.404, 8.933)
"""Partials of a free bar, relative to the lowest (Euler and Bernoulli's beam)."""
BELL = (0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 2.662)
"""Partials of a church bell: hum, prime, tierce, quint, nominal and two above."""


def share(*partials_hz: float) -> float:
    """Of partials that are all as loud."""
    return inharmonic_share(np.array(partials_hz), np.ones(len(partials_hz)))


@pytest.mark.parametrize("ratios", [BAR, BELL])
@pytest.mark.parametrize("lowest_hz", [150.0, 523.0, 1047.0])
def test_bars_and_bells_have_them(ratios: tuple[float, ...], lowest_hz: float) -> None:
    assert share(*(lowest_hz * ratio for ratio in ratios)) > 0.25


@given(
    f0_hz=st.floats(60, 1500),
    stretch=st.floats(0, 4e-4),
    numbers=st.sampled_from([(1, 2, 3, 4, 5), (1, 3, 5, 7), (2, 3, 4, 5, 6, 7), (1, 2), (1,)]),
)
def test_harmonics_have_none(f0_hz: float, stretch: float, numbers: tuple[int, ...]) -> None:
    """All or odd ones, without a fundamental, stretched as in a piano, two and one."""
    partials = [n * f0_hz * np.sqrt(1 + stretch * n**2) for n in numbers]
    assert share(*partials) == 0


def test_several_tones_have_none_either() -> None:
    lines = [f0_hz * n for f0_hz in (131.0, 196.5, 330.1, 415.7) for n in range(1, 6)]
    assert inharmonic_share(np.sort(lines), np.ones(20)) == 0
    assert MOST_SERIES >= 4


def test_a_bar_beside_a_tone_has_its_share() -> None:
    tone = [220.0 * n for n in range(1, 8)]
    bar = [1000.0 * ratio for ratio in BAR[:2]]
    frequency_hz, magnitude = np.array(tone + bar), np.array([1.0] * 7 + [2.0, 1.5])
    order = frequency_hz.argsort()
    found = inharmonic_share(frequency_hz[order], magnitude[order])
    assert found == pytest.approx(6.25 / 13.25)


def test_faint_peaks_and_sides_do_not_count() -> None:
    peaks = np.array([440.0, 440.0 + LEAST_TOLERANCE_HZ + 20, 880.0, 1111.0, 1234.0])
    assert inharmonic_share(peaks, np.array([1.0, 0.2, 0.5, 0.03, 0.02])) == 0
