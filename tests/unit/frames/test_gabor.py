"""Gabor frame: exact inverse, symmetries of the frame, and the peak of a sinusoid (Eq. 8)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame, smooth_even_length
from musisep_cli.methods.policy.unet import NetworkConfig
from tests import dense
from tests.signals import pure_tone

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


def noise(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)


def resynthesised(frame: GaborFrame, signal: Tensor, n_block: int) -> Tensor:
    n_samples = signal.shape[-1]
    blocks = (frame.analyse(signal, c) for c in frame.centres(n_samples).split(n_block))
    return frame.synthesise(blocks, n_samples)


def relative_error(reference: Tensor, estimate: Tensor) -> float:
    return float((estimate - reference).norm() / reference.norm())


small_frames = st.builds(
    lambda rate, zeta_samples, hop: (
        FrameConfig(zeta_s=zeta_samples / rate, hop_zetas=hop),
        rate,
    ),
    st.integers(8_000, 192_000),
    st.floats(3, 40),
    st.floats(0.03, 1.0),
)


@given(small_frames, st.integers(1, 3000), st.integers(1, 50))
@example((FrameConfig(zeta_s=40 / 8000), 8000), 1, 1)  # one sample
@example((FrameConfig(zeta_s=40 / 8000), 8000), 17, 1)  # shorter than one window
def test_synthesis_inverts_analysis(
    config_and_rate: tuple[FrameConfig, int], n_samples: int, n_block: int
) -> None:
    config, rate = config_and_rate
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        frame = GaborFrame(config, rate, dtype=dtype)
        signal = noise(n_samples, dtype=dtype)
        result = resynthesised(frame, signal, n_block)
        assert result.dtype == dtype
        assert result.shape == signal.shape
        assert relative_error(signal, result) < tolerance


@given(st.lists(st.sampled_from([0.5, 0.7, 1.0]), min_size=40, max_size=40), st.integers(1, 50))
def test_synthesis_inverts_analysis_also_where_every_frame_has_a_window_of_its_own(
    lengths: list[float], n_block: int
) -> None:
    frame = GaborFrame(FrameConfig(zeta_s=16 / 8000), 8000, dtype=torch.float64)
    signal, scales = noise(2, 40 * frame.hop_samples), torch.tensor(lengths)
    centres = frame.centres(signal.shape[-1])
    assert len(centres) == len(scales)
    parts = zip(centres.split(n_block), scales.split(n_block), strict=True)
    blocks = (frame.analyse(signal, c, scales=s) for c, s in parts)
    assert relative_error(signal, frame.synthesise(blocks, signal.shape[-1], scales)) < 1e-12


def test_a_window_half_as_long_makes_a_peak_twice_as_wide_and_as_high() -> None:
    frame = GaborFrame(FrameConfig(), 8000, dtype=torch.float64)
    tone = torch.from_numpy(
        pure_tone(1000.0, duration_s=0.5, sample_rate_hz=8000, amplitude=0.6, phase_rad=0.0)
    )
    centres = torch.tensor([2000, 2000])
    long, short = frame.analyse(tone, centres, scales=torch.tensor([1.0, 0.5])).abs()
    f = torch.arange(frame.n_bins, dtype=torch.float64) - 1000 / frame.bin_hz
    for spectrum, width in ((long, frame.ideal_width_bins), (short, 2 * frame.ideal_width_bins)):
        assert_close(spectrum, 0.3 * torch.exp(-0.5 * (f / width) ** 2), atol=1e-7, rtol=0)
    assert_close(frame.windows(torch.ones(3)), frame.window.expand(3, -1), atol=0, rtol=0)


@pytest.mark.parametrize("rate", RATES_HZ)
@pytest.mark.parametrize("seconds", [0.002, 0.06])
def test_default_frame_inverts_at_every_rate(rate: int, seconds: float) -> None:
    frame = GaborFrame(FrameConfig(), rate)
    signal = noise(2, max(1, round(seconds * rate)), dtype=torch.float32)
    assert relative_error(signal, resynthesised(frame, signal, 7)) < 1e-6


def test_each_border_sample_comes_back() -> None:
    frame = GaborFrame(FrameConfig(), 8000)
    signal = noise(777, dtype=torch.float32)
    error = (resynthesised(frame, signal, 5) - signal).abs()
    assert float(error.max()) < 4e-6  # signal of unit variance


def test_silence_and_a_loud_sample_stay_finite() -> None:
    frame = GaborFrame(FrameConfig(), 8000)
    assert_close(resynthesised(frame, torch.zeros(500), 5), torch.zeros(500))
    impulse = torch.zeros(500)
    impulse[499] = 1e4
    assert relative_error(impulse, resynthesised(frame, impulse, 5)) < 1e-6


@pytest.mark.parametrize("centre", [0, 3, 150, 299, 320])
def test_analysis_is_the_sum_of_equation_5(centre: int) -> None:
    rate, zeta_samples = 8000, 20.0
    frame = GaborFrame(FrameConfig(zeta_s=zeta_samples / rate), rate, dtype=torch.float64)
    signal = noise(300)
    spectrum = frame.analyse(signal, torch.tensor([centre]))[0]
    expected = dense.gabor_frame(signal.numpy(), centre, zeta_samples, frame.n_fft)
    assert_close(spectrum, torch.from_numpy(expected), atol=1e-13, rtol=0)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_analysis_is_linear(a: float, b: float) -> None:
    frame = GaborFrame(FrameConfig(zeta_s=20 / 8000), 8000, dtype=torch.float64)
    x, y = noise(2, 300)
    centres = frame.centres(300)
    both = frame.analyse(a * x + b * y, centres)
    apart = a * frame.analyse(x, centres) + b * frame.analyse(y, centres)
    assert_close(both, apart, atol=1e-13, rtol=0)


def test_a_shift_by_one_hop_is_a_shift_by_one_frame_away_from_the_ends() -> None:
    frame = GaborFrame(FrameConfig(zeta_s=16 / 8000), 8000, dtype=torch.float64)
    hop, n = frame.hop_samples, 1500
    signal = noise(n)
    later = torch.cat([torch.zeros(hop, dtype=torch.float64), signal[:-hop]])
    centres = frame.centres(n)
    inner = slice(frame.n_fft // hop, -(frame.n_fft // hop))
    before = frame.analyse(signal, centres[:-1])[inner]
    after = frame.analyse(later, centres[1:])[inner]
    assert len(before) > 50
    assert_close(before, after, atol=1e-14, rtol=0)


def test_synthesis_in_blocks_is_synthesis_of_the_whole() -> None:
    frame = GaborFrame(FrameConfig(zeta_s=16 / 8000), 8000, dtype=torch.float64)
    n = 900
    spectra = frame.analyse(noise(2, n), frame.centres(n))
    spectra = spectra * torch.linspace(0, 1, frame.n_bins)  # not in the range of analysis
    whole = frame.synthesise([spectra], n)
    for n_block in (1, 13):
        assert_close(frame.synthesise(spectra.split(n_block, -2), n), whole, atol=0, rtol=0)


def test_synthesis_of_no_spectra_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        GaborFrame(FrameConfig(), 8000).synthesise([], 100)


@given(
    st.sampled_from([8_000, 22_050, 44_100, 48_000, 96_000]),
    st.floats(0.05, 0.45),
    st.floats(0.01, 1.0),
    st.floats(-3.1, 3.1),
)
def test_a_sinusoid_gives_the_peak_of_equation_8(
    rate: int, cycles_per_sample: float, amplitude: float, phase: float
) -> None:
    frame = GaborFrame(FrameConfig(), rate, dtype=torch.float64)
    n = frame.n_fft + 1
    centre = frame.n_fft // 2
    f_hz = cycles_per_sample * rate
    tone = pure_tone(
        f_hz,
        duration_s=n / rate,
        sample_rate_hz=rate,
        amplitude=amplitude,
        phase_rad=phase - 2 * math.pi * f_hz * centre / rate,  # so it is `phase` at the centre
    )
    spectrum = frame.analyse(torch.from_numpy(tone), torch.tensor([centre]))[0].numpy()
    f = np.arange(frame.n_bins) * frame.bin_hz
    sigma_hz = 1 / (2 * math.pi * frame.config.zeta_s)  # 7.46 Hz at the paper's zeta
    peak = amplitude / 2 * np.exp(1j * phase - (f - f_hz) ** 2 / (2 * sigma_hz**2))
    # The window is cut at 6 zeta: exp(-18) = 2e-8 of its height is lost.
    np.testing.assert_allclose(spectrum, peak, atol=1e-8 * amplitude)
    near = abs(f - f_hz) < 2 * sigma_hz
    np.testing.assert_allclose(spectrum[near] / abs(spectrum[near]), np.exp(1j * phase), atol=1e-6)


def test_the_ideal_width_is_that_of_the_peak() -> None:
    for rate in RATES_HZ:
        frame = GaborFrame(FrameConfig(), rate)
        assert frame.ideal_width_bins * frame.bin_hz == pytest.approx(7.4604, abs=1e-4)
    assert GaborFrame(FrameConfig(), 48_000).ideal_width_bins == pytest.approx(6 / math.pi)


def test_the_paper_s_numbers_at_48_khz() -> None:
    frame = GaborFrame(FrameConfig(), 48_000)
    assert frame.n_fft == 12_288
    assert frame.hop_samples == 512
    assert frame.bin_hz == 3.90625
    assert frame.n_bins == 6145
    assert frame.n_network_bins == 6144
    assert frame.training_centres(48_000 * 30).diff().unique().tolist() == [128]


@pytest.mark.parametrize("rate", RATES_HZ)
def test_the_network_s_bins_lie_below_nyquist_and_fit_the_paper_s_network(rate: int) -> None:
    frame = GaborFrame(FrameConfig(), rate)
    assert frame.n_bins == frame.n_fft // 2 + 1
    assert frame.n_network_bins < frame.n_bins
    assert frame.n_network_bins <= math.prod(NetworkConfig().strides)
    # As much as there is below 24 kHz, to 2 %; the bins are as wide as the paper's, to 3 %.
    top_hz = min(24_000, rate / 2)
    assert frame.n_network_bins * frame.bin_hz == pytest.approx(top_hz, rel=0.02)
    assert frame.bin_hz == pytest.approx(3.90625, rel=0.03)


@given(st.integers(8_000, 192_000))
def test_the_transform_holds_the_window_at_every_rate(rate: int) -> None:
    frame = GaborFrame(FrameConfig(), rate)
    assert frame.n_fft % 2 == 0
    assert frame.n_fft >= 12 * frame.config.zeta_s * rate - 1e-6
    assert frame.n_network_bins <= math.prod(NetworkConfig().strides)


@given(st.integers(1, 20_000))
def test_smooth_even_length_is_the_smallest(minimum: int) -> None:
    def is_smooth(n: int) -> bool:
        for prime in (2, 3, 5, 7):
            while n % prime == 0:
                n //= prime
        return n == 1

    length = smooth_even_length(minimum)
    assert length >= minimum
    assert length % 2 == 0
    assert is_smooth(length)
    assert not any(is_smooth(n) for n in range(minimum + minimum % 2, length, 2))


def test_the_nyquist_bin_is_needed_and_kept() -> None:
    frame = GaborFrame(FrameConfig(zeta_s=16 / 8000), 8000, dtype=torch.float64)
    signal = (-1.0) ** torch.arange(400, dtype=torch.float64)  # all at the Nyquist frequency
    spectra = frame.analyse(signal, frame.centres(400))
    assert float(spectra[10, -1].abs()) == pytest.approx(1.0, abs=1e-6)
    assert relative_error(signal, frame.synthesise([spectra], 400)) < 1e-12


@given(st.integers(1, 100_000))
def test_training_frames_are_finer_and_cover_the_signal(n_samples: int) -> None:
    frame = GaborFrame(FrameConfig(), 8000)
    centres = frame.training_centres(n_samples)
    steps = centres.diff()
    assert centres[0] == 0
    assert n_samples - centres[-1] <= max(1, frame.hop_samples // 4)
    assert len(steps) == 0 or int(steps.max()) <= max(1, frame.hop_samples // 4)
    assert len(centres) >= min(n_samples, 2000)


def test_stereo_is_analysed_channel_by_channel() -> None:
    frame = GaborFrame(FrameConfig(zeta_s=16 / 8000), 8000, dtype=torch.float64)
    stereo = noise(2, 300)
    centres = frame.centres(300)
    both = frame.analyse(stereo, centres)
    for channel in range(2):
        assert_close(both[channel], frame.analyse(stereo[channel], centres))
