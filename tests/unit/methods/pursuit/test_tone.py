import numpy as np
import pytest

from musisep_cli.methods.pursuit.fit import DELTA
from musisep_cli.methods.pursuit.learning import gradient_of
from musisep_cli.methods.pursuit.log_axis import N_BINS
from musisep_cli.methods.pursuit.tone import (
    BEND,
    HEIGHT,
    PLACE,
    WIDTH,
    draw_derivatives,
    log_spectrum,
)
from tests.unit.methods.pursuit.problems import plain_spectrum, some_atoms, some_tones

ROUNDING = 1e-12
"""Of the recurrence that draws a line, relative to a height of 1."""


def test_tones_are_the_formula() -> None:
    generator = np.random.default_rng(0)
    tones, columns, atoms = some_tones(generator, 3), some_atoms(generator, 2), np.array([0, 1, 1])
    drawn = log_spectrum(tones, atoms, columns, N_BINS)
    np.testing.assert_allclose(drawn, plain_spectrum(tones, atoms, columns), atol=ROUNDING)


def test_a_higher_pitch_is_the_same_picture_shifted() -> None:
    generator = np.random.default_rng(1)
    tone, columns, atom = some_tones(generator, 1), some_atoms(generator, 1), np.array([0])
    higher = tone.copy()
    higher[:, PLACE] += 37
    low, high = (log_spectrum(t, atom, columns, N_BINS) for t in (tone, higher))
    np.testing.assert_allclose(high[37:], low[:-37], atol=ROUNDING)


@pytest.mark.parametrize("parameter", [HEIGHT, PLACE, WIDTH, BEND])
def test_derivatives_are_those_of_finite_differences(parameter: int) -> None:
    generator = np.random.default_rng(2)
    tone, relative = some_tones(generator, 1)[0], some_atoms(generator, 1)[0]
    slopes = np.empty((4, N_BINS))
    low, high = draw_derivatives(tone, relative, slopes)
    step = 1e-6 * tone[parameter]
    moved = np.stack([tone, tone])
    moved[:, parameter] += (-step, step)
    before, after = (log_spectrum(t[None], np.array([0]), relative[None], N_BINS) for t in moved)
    expected = (after - before) / (2 * step)
    found = np.zeros(N_BINS)
    found[low:high] = slopes[parameter, low:high]
    found *= 1.0 if parameter == HEIGHT else tone[HEIGHT]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_gradient_of_the_atoms_is_that_of_finite_differences() -> None:
    generator = np.random.default_rng(3)
    columns, atoms = some_atoms(generator, 2), np.array([0, 1])
    tones = some_tones(generator, 2)
    spectrum = log_spectrum(some_tones(generator, 2), atoms, columns, N_BINS)
    gradient, distance = gradient_of(spectrum, tones, atoms, columns)

    def distance_with(i: int, h: int, change: float) -> float:
        moved = columns.copy()
        moved[i, h] += change
        explained = plain_spectrum(tones, atoms, moved)
        rho = np.sqrt(explained + DELTA) - np.sqrt(spectrum + DELTA)
        return 0.5 * float((rho**2).sum())

    np.testing.assert_allclose(distance, distance_with(0, 0, 0.0), rtol=1e-9)
    for i, h in [(0, 0), (0, 7), (1, 3), (1, 24)]:
        expected = (distance_with(i, h, 1e-6) - distance_with(i, h, -1e-6)) / 2e-6
        np.testing.assert_allclose(gradient[i, h], expected, rtol=1e-4, atol=1e-6)


def test_a_tone_outside_the_axis_is_not_there() -> None:
    tone = np.array([[1.0, 2000.0, 1.9, 0.0]])
    columns = np.ones((1, 25))
    assert not log_spectrum(tone, np.array([0]), columns, N_BINS).any()
    assert draw_derivatives(tone[0], columns[0], np.empty((4, N_BINS))) == (0, 0)
