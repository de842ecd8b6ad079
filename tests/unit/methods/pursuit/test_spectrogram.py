import numpy as np
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.pursuit.configs import LineConfig
from musisep_cli.methods.pursuit.lines import pursue_lines
from musisep_cli.methods.pursuit.log_axis import LINE_POINTS, LINE_WIDTH, add_line, to_bins
from musisep_cli.methods.pursuit.spectrogram import log_spectra, redraw
from tests.signals import CLARINET, harmonic_tone, pure_tone

FAST = LineConfig(n_rounds=2, n_sweeps=30, floor=1e-4)
RATE_HZ = 16_000


def spectra_of(signal: np.ndarray, frame: GaborFrame) -> torch.Tensor:
    centres = torch.tensor([len(signal) // 2])
    return frame.analyse(torch.from_numpy(signal.astype(np.float32)), centres)


def test_a_sinusoid_is_a_line_of_half_its_amplitude_at_its_pitch() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    tone = pure_tone(441.0, duration_s=1, sample_rate_hz=RATE_HZ, amplitude=0.6)
    (found,) = log_spectra(spectra_of(tone, frame), frame, FAST).double().numpy()
    expected = np.zeros(1024)
    add_line(expected, np.empty(LINE_POINTS), 0.3, float(to_bins(np.array(441.0))), LINE_WIDTH)
    np.testing.assert_allclose(found, expected, atol=3e-4)  # float32, and 16 kHz rounds the window


def test_lines_at_and_below_0_hz_vanish() -> None:
    lines = np.array([[1.0, 0.0, 1.9], [1.0, -3.0, 1.9]])
    assert not redraw(lines, 3.9).any()


def test_what_lies_beyond_the_recording_stays_empty_at_a_low_rate() -> None:
    frame = GaborFrame(FrameConfig(), 8_000)
    noise = np.random.default_rng(0).normal(size=8_000)
    (found,) = log_spectra(spectra_of(noise, frame), frame, FAST).numpy()
    above = int(to_bins(np.array(4_100.0))) + LINE_POINTS // 2  # the widest line reaches so far
    assert found[:above].any()
    assert not found[above:].any()


def test_a_silent_frame_is_silent() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    assert not log_spectra(torch.zeros(3, frame.n_bins, dtype=torch.complex64), frame, FAST).any()


def test_the_lines_of_a_tone_leave_a_few_percent() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    tone = harmonic_tone(220.0, amplitudes=CLARINET, duration_s=1, sample_rate_hz=RATE_HZ)
    (spectrum,) = spectra_of(tone, frame).abs().double().numpy()
    lines = pursue_lines(spectrum, FAST.n_rounds, FAST.n_sweeps, FAST.floor, FAST.most)
    explained, values = np.zeros_like(spectrum), np.empty(LINE_POINTS)
    for height, middle, width in lines:
        add_line(explained, values, height, middle, width)
    assert np.linalg.norm(spectrum - explained) < 0.0275 * np.linalg.norm(spectrum)
