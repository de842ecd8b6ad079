import numpy as np
import pytest

from musisep_cli.methods.pursuit.lines import local_maxima, pursue_lines, sweep
from musisep_cli.methods.pursuit.log_axis import (
    LINE_POINTS,
    LINE_WIDTH,
    NARROWEST,
    WIDEST,
    add_line,
)

N_LINEAR = 400


def drawn(lines: list[tuple[float, float, float]]) -> np.ndarray:
    spectrum, values = np.zeros(N_LINEAR), np.empty(LINE_POINTS)
    for line in lines:
        add_line(spectrum, values, *line)
    return spectrum


@pytest.mark.parametrize("line", [(0.7, 100.0, 1.9), (3.0, 77.37, 1.6), (1e-3, 200.5, 2.8)])
def test_a_line_on_its_own_is_found_exactly(line: tuple[float, float, float]) -> None:
    found = pursue_lines(drawn([line]), 2, 30, 1e-4, 1000)
    np.testing.assert_allclose(found[0], line, rtol=1e-6)


def test_two_lines_four_widths_apart_are_told_apart() -> None:
    lines = [(1.0, 100.3, LINE_WIDTH), (0.5, 100.3 + 4 * LINE_WIDTH, LINE_WIDTH)]
    found = pursue_lines(drawn(lines), 2, 100, 1e-4, 1000)[:2]
    np.testing.assert_allclose(found, lines, rtol=1e-3)


def test_no_sweep_raises_the_norm_and_widths_stay_in_their_bounds() -> None:
    generator = np.random.default_rng(0)
    spectrum = generator.random(N_LINEAR)
    places, n_found = local_maxima(spectrum, 0.0, 1000)
    lines = np.stack([np.array([spectrum[f], f, LINE_WIDTH]) for f in np.sort(places)])
    rest = spectrum - drawn([tuple(line) for line in lines])
    gains, room = np.full(n_found, np.inf), np.empty((3, 2 * LINE_POINTS))
    norms = [float(rest @ rest)]
    for _ in range(20):
        gain = sweep(rest, lines, gains, 0.0, room)
        norms.append(float(rest @ rest))
        np.testing.assert_allclose(norms[-2] - norms[-1], gain, atol=1e-9)
    assert (np.diff(norms) <= 1e-12).all()
    assert norms[-1] < 0.5 * norms[0]
    assert ((lines[:, 2] >= NARROWEST) & (lines[:, 2] <= WIDEST)).all()
    assert (lines[:, 0] >= 0).all()
    np.testing.assert_allclose(rest, spectrum - drawn([tuple(x) for x in lines]), atol=1e-9)


def test_a_round_that_explains_no_more_changes_nothing() -> None:
    spectrum = np.random.default_rng(1).random(N_LINEAR)
    # With one line at most, the second round would have to choose between the lines.
    once = pursue_lines(spectrum, 1, 30, 0.0, 1)
    assert len(once) == 1
    again = pursue_lines(spectrum, 20, 30, 0.0, 1)
    rest_once, rest_again = (
        np.linalg.norm(spectrum - drawn([tuple(x) for x in lines])) for lines in (once, again)
    )
    assert rest_again <= rest_once


def test_maxima_come_strongest_first_and_never_twice_from_one_plateau() -> None:
    rest = np.array([9.0, 0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.1])
    places, n_found = local_maxima(rest, 0.5, 10)
    assert places[:n_found].tolist() == [7, 3]  # bin 0 is no line, 0.1 lies below the floor
    places, n_found = local_maxima(rest, 0.5, 1)
    assert places[:n_found].tolist() == [7]


@pytest.mark.parametrize("spectrum", [np.zeros(50), np.eye(50)[20], np.full(50, 1e-30)])
def test_silence_and_a_single_bin_have_finite_lines(spectrum: np.ndarray) -> None:
    found = pursue_lines(spectrum, 20, 30, 0.0, 1000)
    assert np.isfinite(found).all()
