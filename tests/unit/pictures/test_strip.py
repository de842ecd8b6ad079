"""Strip: opacity where there is sound, nothing where there is none."""

import io

import numpy as np
import pytest
from PIL import Image

from musisep_cli.pictures.strip import HEIGHT_PX, WIDTH_PX, strip_png
from tests.signals import pure_tone

RATE_HZ = 16_000


def opacity(png: bytes) -> np.ndarray:
    """Opacity of a picture's pixels, 0 to 255, ``[y, x]``."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[:, :, 3]


@pytest.mark.parametrize("f0_hz", [200.0, 1000.0, 4000.0])
def test_a_tone_is_a_line_at_its_place_of_a_logarithmic_axis(f0_hz: float) -> None:
    tone = 0.5 * pure_tone(f0_hz, duration_s=1.0, sample_rate_hz=RATE_HZ)
    seen = opacity(strip_png(tone[:, None], RATE_HZ, low_hz=100.0, high_hz=8000.0))
    assert seen.shape == (HEIGHT_PX, WIDTH_PX)
    row = seen[:, WIDTH_PX // 2].argmax()
    expected = HEIGHT_PX * (1 - np.log2(f0_hz / 100) / np.log2(80))
    assert abs(row - expected) <= 1.5
    assert seen.max() == 255


def test_silence_is_transparent_and_a_given_peak_is_kept() -> None:
    assert opacity(strip_png(np.zeros((RATE_HZ, 1)), RATE_HZ, peak_db=-6.0)).max() == 0
    tone = 0.5 * pure_tone(1000.0, duration_s=1.0, sample_rate_hz=RATE_HZ)
    quiet = opacity(strip_png(tone[:, None], RATE_HZ, peak_db=24.0))
    np.testing.assert_allclose(quiet.max() / 255, 0.5, atol=0.05)


def test_a_strip_is_small() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, RATE_HZ)
    assert len(strip_png(noise[:, None], RATE_HZ)) < 120_000


def test_a_range_narrower_than_the_bins_is_drawn() -> None:
    tone = pure_tone(440.0, duration_s=1.0, sample_rate_hz=RATE_HZ)
    seen = opacity(strip_png(tone[:, None], RATE_HZ, low_hz=430.0, high_hz=450.0))
    assert seen.max() == 255
