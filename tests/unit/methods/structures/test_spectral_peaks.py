import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.structures.spectral_peaks import (
    DB_PER_NAT,
    PeakConfig,
    SpectralPeaks,
    moving_average,
    spectral_peaks,
)
from tests.signals import pure_tone

RATE = 48_000
SIGMA_BINS = 6 / np.pi  # of the window, at a rate at which the transform is as long as it


@pytest.fixture(scope="module")
def frame() -> GaborFrame:
    return GaborFrame(FrameConfig(), RATE, dtype=torch.float64)


def magnitudes(frame: GaborFrame, signal: np.ndarray) -> np.ndarray:
    """Of one frame in the middle, [1, f]."""
    centre = torch.tensor([len(signal) // 2])
    return frame.analyse(torch.from_numpy(signal), centre).abs().numpy()


def peaks_of(frame: GaborFrame, signal: np.ndarray) -> SpectralPeaks:
    return spectral_peaks(magnitudes(frame, signal), frame, PeakConfig())


@given(f0_hz=st.floats(65, 15_000), level_db=st.floats(-60, 0), phase_rad=st.floats(-3, 3))
def test_a_lone_sinusoid_is_found_where_it_is(
    frame: GaborFrame, f0_hz: float, level_db: float, phase_rad: float
) -> None:
    tone = pure_tone(
        f0_hz,
        duration_s=0.6,
        sample_rate_hz=RATE,
        amplitude=10 ** (level_db / 20),
        phase_rad=phase_rad,
    )
    found = peaks_of(frame, tone)
    assert found.count.tolist() == [1]
    # Its image at the negative frequency is 8.7 widths away at 65 Hz, and the window ends at 6.
    np.testing.assert_allclose(found.frequency_bins * frame.bin_hz, f0_hz, atol=1e-5, rtol=1e-6)
    half_db = 20 * np.log10(0.5)  # Eq. 8: A / 2
    np.testing.assert_allclose(found.level_db, level_db + half_db, atol=1e-5)


def test_the_second_difference_is_the_same_at_any_pitch(frame: GaborFrame) -> None:
    for f0_hz in (100.0, 441.7, 3000.3):
        tone = pure_tone(f0_hz, duration_s=0.6, sample_rate_hz=RATE)
        nats = np.log(magnitudes(frame, tone)[0])
        middle = round(f0_hz / frame.bin_hz)
        second = nats[middle - 1] - 2 * nats[middle] + nats[middle + 1]
        np.testing.assert_allclose(second, -((np.pi / 6) ** 2), atol=1e-5)


@given(distance_sigmas=st.floats(1.5, 2.5).filter(lambda d: abs(d - 2) > 0.02))
def test_two_sinusoids_are_two_peaks_if_they_are_two_widths_apart(
    frame: GaborFrame, distance_sigmas: float
) -> None:
    # In phase in the frame's centre; a fine grid of frequencies, for the bins are half a width.
    bins = np.arange(-8, 8, 0.01)
    half = distance_sigmas / 2 * SIGMA_BINS
    both = sum(np.exp(-0.5 * ((bins + s * half) / SIGMA_BINS) ** 2) for s in (-1, 1))
    maxima = (both[1:-1] > both[:-2]) & (both[1:-1] > both[2:])
    assert maxima.sum() == (2 if distance_sigmas > 2 else 1)


@pytest.mark.parametrize(("distance_sigmas", "n_peaks"), [(1.8, 1), (3.0, 2)])
def test_two_tones_close_together(frame: GaborFrame, distance_sigmas: float, n_peaks: int) -> None:
    distance_hz = distance_sigmas * SIGMA_BINS * frame.bin_hz
    n = 24_000
    t = (np.arange(n) - n // 2) / RATE
    tone = sum(np.cos(2 * np.pi * f * t) for f in (1000, 1000 + distance_hz))
    config = PeakConfig(prominence_db=0.1)
    assert spectral_peaks(magnitudes(frame, tone), frame, config).count.tolist() == [n_peaks]


def test_faint_and_rumbling_maxima_are_no_peaks(frame: GaborFrame) -> None:
    tone = sum(
        pure_tone(f, duration_s=0.6, sample_rate_hz=RATE, amplitude=a)
        for f, a in ((40, 1.0), (500, 1.0), (2000, 10**-2.3), (3000, 10**-2.7))
    )
    found = peaks_of(frame, tone)
    np.testing.assert_allclose(
        found.frequency_bins[found.seen] * frame.bin_hz, [500, 2000], rtol=1e-4
    )


def test_silence_has_no_peaks(frame: GaborFrame) -> None:
    assert peaks_of(frame, np.zeros(RATE)).count.tolist() == [0]


def test_rows_keep_to_their_frames(frame: GaborFrame) -> None:
    one = magnitudes(frame, pure_tone(300, duration_s=0.6, sample_rate_hz=RATE))
    two = magnitudes(
        frame,
        pure_tone(400, duration_s=0.6, sample_rate_hz=RATE)
        + pure_tone(900, duration_s=0.6, sample_rate_hz=RATE),
    )
    both = spectral_peaks(np.concatenate([one, two, 0 * one]), frame, PeakConfig())
    assert both.count.tolist() == [1, 2, 0]
    np.testing.assert_allclose(
        both.frequency_bins * frame.bin_hz, [[300, 0], [400, 900], [0, 0]], rtol=1e-4
    )


@given(width=st.integers(0, 4).map(lambda n: 2 * n + 1), seed=st.integers(0, 99))
def test_a_moving_average_is_the_mean_of_what_is_there(width: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, 12))
    reach = width // 2
    expected = [
        [row[max(f - reach, 0) : f + reach + 1].mean() for f in range(len(row))] for row in values
    ]
    np.testing.assert_allclose(moving_average(values, width), expected, atol=1e-12)


def test_levels_are_in_decibels() -> None:
    np.testing.assert_allclose(DB_PER_NAT * np.log(10), 20)
