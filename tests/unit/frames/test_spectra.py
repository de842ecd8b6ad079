"""Spectra of a recording: against the closed form of a tone, and against one another."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra, level_gain
from musisep_cli.sound.recording import Recording
from tests.signals import pure_tone

RATE_HZ = 8_000
F0_HZ = 440.0
AMPLITUDES = (0.5, 0.1)
CONFIG = FrameConfig(rms_level=0.2)


def stereo_tone() -> Recording:
    """The same tone, louder on the left."""
    tone = pure_tone(F0_HZ, duration_s=0.7, sample_rate_hz=RATE_HZ)
    samples = np.stack([amplitude * tone for amplitude in AMPLITUDES], 1)
    return Recording(samples=samples.astype(np.float32), sample_rate_hz=RATE_HZ)


def spectra(config: FrameConfig = CONFIG) -> Spectra:
    return Spectra(stereo_tone(), GaborFrame(config, RATE_HZ))


def test_the_gain_brings_the_mean_to_the_configured_level() -> None:
    recording = stereo_tone()
    rms = math.sqrt(np.mean(recording.mono.astype(np.float64) ** 2))
    assert level_gain(recording, CONFIG) == pytest.approx(0.2 / rms)
    assert level_gain(recording, replace(CONFIG, rms_level=0.0)) == 1.0
    assert float(spectra().mean.square().mean().sqrt()) == pytest.approx(0.2, rel=1e-4)


def test_a_tone_is_seen_as_its_peak() -> None:
    found = spectra()
    middle = len(found) // 2
    channels = found.of_channels[middle : middle + 1].abs()[0]
    bins = torch.arange(channels.shape[1]) - F0_HZ / found.frame.bin_hz
    peak = torch.exp(-0.5 * (bins / found.frame.ideal_width_bins) ** 2)
    expected = found.gain / 2 * torch.tensor(AMPLITUDES)[:, None] * peak
    assert_close(channels, expected, rtol=0, atol=1e-3 * float(expected.max()))


def test_the_spectrum_of_the_mean_is_the_mean_of_the_spectra() -> None:
    found = spectra()
    assert_close(found.of_mean[:], found.of_channels[:].mean(1), rtol=0, atol=1e-7)


def test_shorter_windows_are_those_of_the_frames_asked_for() -> None:
    found = spectra()
    scales = torch.where(torch.arange(len(found)) % 2 == 0, 1.0, 0.6)
    in_windows, usual = found.in_windows(scales), found.of_channels
    assert_close(in_windows[:][::2], usual[:][::2])
    highest = in_windows[:].abs().amax((1, 2))[len(found) // 2 :][:4]
    assert_close(highest, highest.mean().expand(4), rtol=1e-2, atol=0)
    # A window shorter by 0.6 is wider by as much in frequency, at the same height.
    power = in_windows[:].abs().square().sum((1, 2))[len(found) // 2 :][:2]
    ratio = float(power.max() / power.min())
    assert ratio == pytest.approx(1 / 0.6, rel=1e-2)
