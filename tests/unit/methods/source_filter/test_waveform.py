"""Waveform: lines where the closed form has them, and silence where nothing sounds."""

import math

import numpy as np
import torch
from torch.testing import assert_close

from musisep_cli.methods.source_filter.source import RATE_HZ, line_amplitudes
from musisep_cli.methods.source_filter.waveform import harmonics, sound_of
from tests.unit.methods.source_filter.made import resonant, voices

N_FRAMES = 64
N_SAMPLES = 256 * N_FRAMES


def test_a_steady_voice_has_lines_of_the_closed_form() -> None:
    # 12 periods of the fundamental in 2048 samples: lines fall on bins of a plain transform.
    f0_hz = torch.full((1, 1, N_FRAMES), 12 * RATE_HZ / 2048, dtype=torch.float64)
    model = voices((1, 1, N_FRAMES), frequencies=resonant(0.4, 0.3))
    silence = torch.zeros(1, 1, N_SAMPLES, dtype=torch.float64)
    sound = sound_of(model, f0_hz, silence)[0, 0]
    spectrum = torch.fft.rfft(sound[6144:8192]).abs() / 1024
    expected = line_amplitudes(model, f0_hz)[0, 0, 0]
    found = spectrum[12::12][: len(expected)]
    assert_close(found, expected, rtol=0.02, atol=2e-4)
    between = spectrum[6::12]
    assert float(between.max()) < 1e-3 * float(expected.max())


def test_silent_parameters_make_no_sound_and_rests_none_either() -> None:
    draw = np.random.default_rng(0)
    noise = torch.from_numpy(draw.uniform(-1, 1, (1, 2, N_SAMPLES)))
    f0_hz = torch.tensor([[220.0], [330.0]], dtype=torch.float64).expand(1, 2, N_FRAMES).clone()
    silent = voices((1, 2, N_FRAMES), amplitude=0.0)
    assert float(sound_of(silent, f0_hz, noise).abs().max()) == 0
    f0_hz[0, 1, 20:40] = 0
    sound = sound_of(voices((1, 2, N_FRAMES)), f0_hz, noise)
    rest = slice(24 * 256, 38 * 256)
    assert float(sound[0, 1, rest].abs().max()) < 1e-3 * float(sound[0, 0, rest].abs().max())
    assert float(harmonics(torch.ones(1, 1, 4), torch.zeros(1, 1, 4)).abs().max()) == 0


def test_pitch_is_held_through_rests_and_never_glides_from_nothing() -> None:
    f0_hz = torch.full((1, 1, 40), 500.0, dtype=torch.float64)
    f0_hz[..., 10:20] = 0
    sound = harmonics(torch.ones(1, 1, 40, dtype=torch.float64), f0_hz)[0, 0]
    # Harmonics of a glide would lie between those of 500 Hz.
    after = torch.fft.rfft(sound[20 * 256 : 20 * 256 + 4096] * torch.hann_window(4096))
    power = after.abs().square()
    at_hz = torch.arange(len(power)) * RATE_HZ / 4096
    near = ((at_hz / 500 - (at_hz / 500).round()).abs() * 500 < 12) & (at_hz > 100)
    assert float(power[near].sum()) > 0.9999 * float(power[at_hz > 100].sum())


def test_the_power_is_that_of_the_lines() -> None:
    f0_hz = torch.full((1, 1, N_FRAMES), 240.0, dtype=torch.float64)
    model = voices((1, 1, N_FRAMES), amplitude=0.7)
    silence = torch.zeros(1, 1, N_SAMPLES, dtype=torch.float64)
    sound = sound_of(model, f0_hz, silence)[0, 0, 2048:-2048]
    expected = line_amplitudes(model, f0_hz)[0, 0, 0].square().sum() / 2
    assert math.isclose(float(sound.square().mean()), float(expected), rel_tol=0.02)
