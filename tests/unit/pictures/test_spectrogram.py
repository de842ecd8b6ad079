"""Spectrogram picture: a tone lies at its frequency with its level, for any length and rate."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.pictures.spectrogram import (
    LOWEST_HZ,
    Scale,
    colour_range,
    log_rows,
    write_spectrogram,
)
from tests.signals import pure_tone
from tests.unit.pictures.drawn import drawn

RATE_HZ = 16_000


def image(
    samples: np.ndarray, rate_hz: int = RATE_HZ, scale: Scale = "log"
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Levels ``[y, x]`` of ``[t]`` or ``[t, c]``; left, right, bottom and top of the picture."""
    sound = samples[:, None] if samples.ndim == 1 else samples
    figure = drawn(
        lambda: write_spectrogram(Path("unused.png"), sound, rate_hz, title="t", scale=scale)
    )
    [picture] = figure.axes[0].get_images()
    return np.array(picture.get_array()), picture.get_extent()


def tone(f0_hz: float, amplitude: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return pure_tone(f0_hz, duration_s=2.0, sample_rate_hz=rate_hz, amplitude=amplitude)


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_a_sine_lies_at_its_frequency_and_has_its_level(rate_hz: int, scale: Scale) -> None:
    level_db, (left, right, bottom, top) = image(tone(1000.0, 0.1, rate_hz), rate_hz, scale)
    assert (left, right) == (0.0, 2.0)
    column = level_db[:, level_db.shape[1] // 2]
    assert_allclose(column.max(), -20.0, atol=0.5)
    height = (column.argmax() + 0.5) / len(column) * (top - bottom) + bottom
    f0_hz = 2**height if scale == "log" else height
    assert_allclose(f0_hz, 1000.0, rtol=0.02, atol=(top - bottom) / len(column) * (scale != "log"))


def test_the_axis_ends_where_nothing_is_heard() -> None:
    _, (*_, bottom, top) = image(tone(1000.0, rate_hz=96_000), 96_000)
    assert_allclose([2**bottom, 2**top], [LOWEST_HZ, 24_000.0])
    _, (*_, bottom, top) = image(tone(1000.0), scale="linear")
    assert_allclose([bottom, top], [0.0, RATE_HZ / 2])


@pytest.mark.parametrize("at", [0, 1, 15_999, 32_000, 100_000])
def test_a_click_is_seen_wherever_it_is(at: int) -> None:
    samples = np.zeros(100_001)
    samples[at] = 1.0
    level_db, _ = image(samples)
    found = level_db.max(axis=0).argmax() / level_db.shape[1]
    assert_allclose(found, at / len(samples), atol=0.02)
    assert level_db.max() > -80


@pytest.mark.parametrize("n_samples", [1, 100, 1_599, 1_600, 1_601])
def test_any_length_is_a_picture(n_samples: int) -> None:
    level_db, _ = image(np.ones(n_samples))
    assert np.isfinite(level_db).all()


def test_two_partials_40_hz_apart_are_two_lines() -> None:
    level_db, (*_, bottom, top) = image(tone(1000.0) + tone(1040.0), scale="linear")
    column = level_db[:, level_db.shape[1] // 2]
    heights = (np.array([1000.0, 1020.0, 1040.0]) - bottom) / (top - bottom) * len(column)
    low, between, high = (column[int(height)] for height in heights)
    assert min(low, high) > between + 6


def test_the_colours_end_at_the_loudest_point() -> None:
    low_db, high_db = colour_range(tone(440.0, 0.5)[:, None], RATE_HZ)
    assert (low_db, high_db) == (-86.0, -6.0)
    assert colour_range(np.zeros((8_000, 2)), RATE_HZ) == (-80.0, 0.0)


@pytest.mark.parametrize("right", [1.0, -1.0])
def test_channels_of_any_polarity_are_seen(right: float) -> None:
    mono, _ = image(tone(1000.0, 0.1))
    stereo, _ = image(tone(1000.0, 0.1)[:, None] * [1.0, right])
    assert_allclose(stereo, mono, atol=1e-3)


def test_one_channel_of_two_has_half_the_power() -> None:
    level_db, _ = image(tone(1000.0, 0.1)[:, None] * [1.0, 0.0])
    assert_allclose(level_db[:, 500].max(), -23.0, atol=0.5)


def test_a_topmost_row_without_a_bin_shows_the_line_between_two() -> None:
    rows = log_rows(1000.5, 1001.5, 3, RATE_HZ)  # between bins 3.9 Hz apart
    magnitude = np.linspace(0.0, 1.0, 10_000, dtype=np.float32)[None]
    (found,) = rows.loudest(magnitude)
    middle_hz = (rows.edges_hz[:-1] + rows.edges_hz[1:]) / 2
    assert_allclose(found, middle_hz / rows.bin_hz / 9_999, rtol=1e-5)
