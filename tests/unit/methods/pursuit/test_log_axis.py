"""Log axis: ten octaves of bins, and Gaussian lines drawn by recurrence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.methods.pursuit.log_axis import (
    LINE_POINTS,
    LINE_WIDTH,
    N_BINS,
    NARROWEST,
    REACH_WIDTHS,
    WIDEST,
    add_line,
    line_bins,
    to_bins,
    to_hz,
)

WIDTHS = st.floats(NARROWEST, WIDEST)


@given(st.floats(20, 20_480))
def test_bins_and_frequencies_are_each_other_s_inverse(hz: float) -> None:
    assert_allclose(to_hz(to_bins(np.array([hz]))), [hz], rtol=1e-12)


def test_an_octave_is_a_tenth_of_the_axis() -> None:
    assert_allclose(np.diff(to_bins(20 * 2.0 ** np.arange(11))), np.full(10, N_BINS / 10))


@given(st.floats(-50, N_BINS + 50), WIDTHS, st.floats(0.1, 9))
def test_a_line_is_a_gaussian_cut_at_six_widths(middle: float, width: float, height: float) -> None:
    spectrum = np.zeros(N_BINS)
    add_line(spectrum, np.zeros(LINE_POINTS), height, middle, width)
    bins = np.arange(N_BINS)
    exact = height * np.exp(-0.5 * ((bins - middle) / width) ** 2)
    exact[np.abs(bins - middle) > REACH_WIDTHS * width] = 0
    assert_allclose(spectrum, exact, atol=height * 2e-8)


def test_the_widest_line_has_room() -> None:
    first, end = line_bins(500.5, WIDEST, N_BINS)
    assert end - first <= LINE_POINTS
    assert line_bins(500.0, LINE_WIDTH, N_BINS) == (489, 512)


def test_a_line_beside_the_axis_leaves_it_as_it_is() -> None:
    for middle in (-100.0, N_BINS + 100.0):
        first, end = line_bins(middle, LINE_WIDTH, N_BINS)
        assert first >= end
        spectrum = np.ones(N_BINS)
        add_line(spectrum, np.zeros(LINE_POINTS), 1.0, middle, LINE_WIDTH)
        assert_array_equal(spectrum, np.ones(N_BINS))
