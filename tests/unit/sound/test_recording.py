"""Recordings in memory: what can be separated, and the message for what cannot."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.sound.recording import (
    MAX_CHANNELS,
    MAX_DURATION_S,
    MAX_RATE_HZ,
    MIN_DURATION_S,
    MIN_RATE_HZ,
    Recording,
    check_content,
    check_shape,
)
from tests.signals import pure_tone

RATE_HZ = 8_000


def tone(*gains: float) -> np.ndarray:
    samples = pure_tone(440.0, duration_s=0.5, sample_rate_hz=RATE_HZ, amplitude=0.1)
    return np.stack([gain * samples for gain in gains], axis=1).astype(np.float32)


def recording(samples: np.ndarray, path: Path | None = None) -> Recording:
    return Recording(samples=samples, sample_rate_hz=RATE_HZ, path=path)


def test_the_numbers_of_a_recording() -> None:
    stereo = recording(tone(1.0, 0.0))
    assert (stereo.n_samples, stereo.n_channels, stereo.duration_s) == (4_000, 2, 0.5)
    assert_array_equal(stereo.mono, stereo.samples[:, 0] / 2)


def shape(**changes: int) -> None:
    usual = {"n_samples": 80_000, "n_channels": 2, "sample_rate_hz": RATE_HZ}
    check_shape(Path("mix.wav"), **(usual | changes))


def test_the_bounds_themselves_are_taken() -> None:
    shape(sample_rate_hz=MIN_RATE_HZ)
    shape(sample_rate_hz=MAX_RATE_HZ, n_samples=MAX_RATE_HZ)
    shape(n_channels=MAX_CHANNELS)
    shape(n_samples=round(MIN_DURATION_S * RATE_HZ))
    shape(n_samples=round(MAX_DURATION_S * RATE_HZ))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"n_samples": 0}, "holds no samples"),
        ({"sample_rate_hz": MIN_RATE_HZ - 1}, "7999 Hz; 8000 to 384000 Hz"),
        ({"sample_rate_hz": MAX_RATE_HZ + 1}, "384001 Hz"),
        ({"n_channels": 0}, "0 channels; 1 to 32"),
        ({"n_channels": MAX_CHANNELS + 1}, "33 channels"),
        ({"n_samples": round(MIN_DURATION_S * RATE_HZ) - 1}, "0.250 s long; at least 0.25 s"),
        ({"n_samples": round(MAX_DURATION_S * RATE_HZ) + 1}, "at most 24 h"),
    ],
)
def test_one_step_beyond_a_bound_is_refused(changes: dict[str, int], found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        shape(**changes)
    assert str(caught.value).startswith("mix.wav: ")


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros((4_000, 2), np.float32), "silent from start to end"),
        (np.full((4_000, 1), 0.5, np.float32), "one constant"),
    ],
)
def test_content_without_sound_is_refused(samples: np.ndarray, found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        check_content(recording(samples))
    assert str(caught.value).startswith("the recording: ")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e20])
def test_numbers_that_are_no_sound_are_counted_and_found(wrong: float) -> None:
    samples = tone(1.0, 1.0)
    samples[[800, 900], 1] = wrong
    with pytest.raises(InputError, match=r"2 samples are NaN.*first at 0\.100 s"):
        check_content(recording(samples))


def test_a_usual_recording_passes() -> None:
    check_content(recording(tone(1.0, -0.9)))
    check_content(recording(1e9 * tone(1.0)))  # floats in integer units
