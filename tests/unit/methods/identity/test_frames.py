"""Frames: nothing is lost on the way to spectra and back."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.identity.frames import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    analyse,
    log_power,
    n_frames,
    synthesise,
)


@given(n_samples=st.integers(1, 5_000), seed=st.integers(0, 99))
def test_synthesis_after_analysis_returns_every_sample(n_samples: int, seed: int) -> None:
    waves = torch.randn(2, n_samples, generator=torch.Generator().manual_seed(seed))
    spectra = analyse(waves)
    assert spectra.shape == (2, n_frames(n_samples), WINDOW_SAMPLES // 2 + 1)
    torch.testing.assert_close(synthesise(spectra, n_samples), waves, atol=1e-5, rtol=0)


def test_a_sine_peaks_in_its_bin_with_the_sum_of_the_window() -> None:
    f = 64
    t = torch.arange(8 * WINDOW_SAMPLES, dtype=torch.float64)
    spectrum = analyse(torch.cos(2 * math.pi * f / WINDOW_SAMPLES * t))[10].abs()
    assert int(spectrum.argmax()) == f
    # Half of the sum of a Hann window, which is half of its length.
    torch.testing.assert_close(float(spectrum[f]), WINDOW_SAMPLES / 4, atol=1e-6, rtol=0)


def test_a_delay_of_one_hop_is_a_delay_of_one_frame() -> None:
    waves = torch.randn(4_000, generator=torch.Generator().manual_seed(0))
    delayed = torch.cat([torch.zeros(HOP_SAMPLES), waves])
    torch.testing.assert_close(analyse(delayed)[1:], analyse(waves), atol=1e-5, rtol=0)


def test_silence_has_the_floor_as_its_log_power() -> None:
    silent = log_power(analyse(torch.zeros(SAMPLE_RATE_HZ)))
    torch.testing.assert_close(silent, torch.full_like(silent, math.log(1e-3)))
