"""Expected spectra against those of sounds that are made of the same parameters."""

import math

import numpy as np
import torch
from torch.testing import assert_close

from musisep_cli.methods.source_filter.expected import (
    HannWindow,
    line_powers,
    noise_powers,
    powers_of,
    through_window,
)
from musisep_cli.methods.source_filter.loss import powers
from musisep_cli.methods.source_filter.source import HOP_S, RATE_HZ, line_amplitudes
from tests.unit.methods.source_filter.made import resonant, voices

N_FRAMES = 60


def middle(spectra: torch.Tensor) -> torch.Tensor:
    """Frames that no border reaches."""
    return spectra[..., 10:-10, :]


def test_a_steady_voice_has_the_spectrum_that_its_sound_has() -> None:
    # Harmonics at bins: the window of each is not cut, and none reaches another.
    f0_hz = torch.full((1, N_FRAMES), 40 * RATE_HZ / 2048, dtype=torch.float64)
    model = voices((1, N_FRAMES), frequencies=resonant(0.6))
    lines = line_amplitudes(model, f0_hz)[0, 0]
    t = torch.arange(N_FRAMES * 256, dtype=torch.float64) / RATE_HZ
    k = torch.arange(1, len(lines) + 1)[:, None]
    sound = (lines[:, None] * torch.cos(2 * math.pi * k * f0_hz[0, 0] * t + k * k)).sum(0)
    window = HannWindow(2048)
    heard = powers(sound[None], 2048, 256)[:, :N_FRAMES]
    drawn = powers_of(model, f0_hz, window, HOP_S)
    drawn = drawn - noise_powers(model, window)
    assert_close(middle(drawn), middle(heard), rtol=1e-2, atol=1e-3 * float(heard.max()))


def test_the_mean_power_is_half_the_sum_of_the_squared_lines() -> None:
    f0_hz = torch.full((1, N_FRAMES), 233.0, dtype=torch.float64)
    model = voices((1, N_FRAMES))
    lines = line_amplitudes(model, f0_hz)[0, 0]
    n_fft = 2048
    window = HannWindow(n_fft)
    # Parseval: sum over all bins, of both signs of frequency, of |X|^2 = n_fft sum w^2 x^2.
    total = 2 * line_powers(model, f0_hz, window)[0, 0].sum()
    mean_power = total / (n_fft * window.noise_power)
    assert_close(mean_power, lines.square().sum() / 2, rtol=5e-3, atol=0)


def test_noise_has_the_expected_power_in_every_bin() -> None:
    model = voices((1, 400), noise=0.5)
    draw = np.random.default_rng(0)
    sound = torch.from_numpy(0.5 * draw.uniform(-1, 1, 400 * 256))
    heard = powers(sound[None], 512, 256)[:, 2:-3].mean((0, 1))
    drawn = noise_powers(model, HannWindow(512))[0, 0]
    ratio = heard[5:-5] / drawn[5:-5]
    assert abs(float(ratio.mean()) - 1) < 0.02


def test_a_window_sees_the_frames_around_and_keeps_what_is_steady() -> None:
    window = HannWindow(2048)
    weights = window.weights(HOP_S)
    assert_close(weights.sum(), torch.tensor(1.0))
    assert len(weights) == 7
    assert len(HannWindow(512).weights(HOP_S)) == 1
    steady = torch.ones(1, 20, 3)
    assert_close(through_window(steady, window, HOP_S), steady)
    one = torch.zeros(1, 21, 1)
    one[0, 10] = 1
    assert_close(through_window(one, window, HOP_S)[0, 7:14, 0], weights.flip(0))
    assert_close(through_window(one, window, HOP_S, 2), through_window(one, window, HOP_S)[:, ::2])


def test_a_vibrato_is_smeared_where_it_moves_by_more_than_a_line() -> None:
    n = torch.arange(N_FRAMES)
    f0_hz = (300 * 2 ** (0.5 / 12 * torch.sin(2 * math.pi * 5.5 * n * HOP_S)))[None].double()
    model, window = voices((1, N_FRAMES)), HannWindow(2048)
    smeared = powers_of(model, f0_hz, window, HOP_S)
    sharp = line_powers(model, f0_hz, window)
    high = slice(600, 1000)
    assert float(smeared[0, 20, high].max()) < 0.8 * float(sharp[0, 20, high].max())


def test_gradients_are_those_of_finite_differences() -> None:
    f0_hz = torch.full((1, 3), 700.0, dtype=torch.float64)
    start = voices((1, 3), noise=0.3)
    window = HannWindow(64)

    def total(amplitude: torch.Tensor, noise: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        model = type(start)(amplitude, noise, w, start.bands)
        return powers_of(model, f0_hz, window, HOP_S).sqrt().sum()

    inputs = [
        values.clone().requires_grad_(True)
        for values in (start.amplitude, start.noise, start.frequencies)
    ]
    assert torch.autograd.gradcheck(total, inputs, atol=1e-4)
