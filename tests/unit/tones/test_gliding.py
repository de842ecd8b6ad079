"""Gliding peaks: closed forms against transforms of windowed chirps, and steady peaks as a case."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.tones.gliding import MOST_GLIDE, GlidingPeaks, glide_rates, gliding
from musisep_cli.tones.peaks import Peaks
from musisep_cli.tones.tones import Tones

FRAME = GaborFrame(FrameConfig(), 16_000)
N_BINS = FRAME.n_network_bins
WIDTH = FRAME.ideal_width_bins
GLIDES = st.floats(-MOST_GLIDE, MOST_GLIDE)


def steady(*positions: float, dtype: torch.dtype = torch.float64) -> Peaks:
    return Peaks.of(
        torch.tensor([positions], dtype=dtype), torch.tensor([WIDTH], dtype=dtype), N_BINS
    )


def chirp(f_hz: float, speed_hz_s: float) -> np.ndarray:
    """A chirp of 0.5 s; the given frequency and phase 0 are in its middle."""
    time_s = np.arange(-4_000, 4_000) / FRAME.sample_rate_hz
    return np.cos(2 * np.pi * (f_hz * time_s + speed_hz_s * time_s**2 / 2))


@pytest.mark.parametrize("speed_hz_s", [0.0, 300.0, -600.0])
def test_a_peak_is_what_the_frame_makes_of_a_chirp(speed_hz_s: float) -> None:
    f_hz = 1_000.3
    samples = torch.from_numpy(chirp(f_hz, speed_hz_s)).float()[None]
    seen = FRAME.analyse(samples, torch.tensor([4_000]))[0, 0, :N_BINS]
    peaks = gliding(steady(f_hz / FRAME.bin_hz), torch.tensor([[speed_hz_s / f_hz]]), FRAME.bin_hz)
    made = peaks.render(torch.ones(1, 1, dtype=torch.complex128))[0]
    height = float(seen.abs().max() / made.abs().max())
    assert_allclose(height * made.numpy(), seen.numpy(), atol=1e-3 * float(seen.abs().max()))
    still = steady(f_hz / FRAME.bin_hz).render(torch.ones(1, 1, dtype=torch.complex128))[0]
    error = float((height * still - seen).abs().max() / seen.abs().max())
    assert (error < 1e-3) == (speed_hz_s == 0)


@given(GLIDES, GLIDES, st.floats(0, 12))
def test_inner_products_are_those_of_the_values(one: float, other: float, apart: float) -> None:
    peaks = GlidingPeaks.of_steady(
        steady(300.0, 300.0 + apart), torch.tensor([[one, other]], dtype=torch.float64)
    )
    dense = torch.stack(
        [peaks.part(slice(h, h + 1)).render(torch.ones(1, 1) + 0j)[0] for h in range(2)]
    )
    assert_close(peaks.gram()[0], dense.conj() @ dense.T, atol=2e-4, rtol=0)
    # Correlating is the adjoint of rendering.
    assert_close(peaks.correlate(dense[1:])[0], dense.conj() @ dense[1], atol=1e-9, rtol=0)


@given(st.lists(st.floats(20, 400), min_size=1, max_size=4))
def test_without_a_glide_peaks_are_steady(positions: list[float]) -> None:
    still = steady(*positions)
    peaks = GlidingPeaks.of_steady(still, torch.zeros(1, len(positions), dtype=torch.float64))
    coefficients = torch.ones(1, len(positions), dtype=torch.complex128)
    assert_close(peaks.render(coefficients), still.render(coefficients), atol=1e-5, rtol=0)
    assert_close(peaks.gram().real, still.gram(), atol=1e-8, rtol=0)
    assert float(peaks.gram().imag.abs().max()) < 1e-12
    widened = still.widened(1.3)
    made = peaks.envelopes(1.3).render(coefficients)
    assert_close(made, widened.render(coefficients), atol=1e-5, rtol=0)


@given(GLIDES)
def test_an_envelope_is_the_magnitude(glide: float) -> None:
    peaks = GlidingPeaks.of_steady(steady(300.0), torch.tensor([[glide]], dtype=torch.float64))
    one = torch.ones(1, 1, dtype=torch.complex128)
    assert_close(peaks.envelopes(1.0).render(one).real, peaks.render(one).abs(), atol=1e-9, rtol=0)
    # A glide spreads the same energy over more bins.
    energy = float(peaks.render(one).abs().square().sum())
    assert energy == pytest.approx(float(steady(300.0).render(one).abs().square().sum()), rel=1e-3)


def test_harmonics_glide_as_many_times_as_fast_as_they_are_high() -> None:
    peaks = gliding(steady(100.0, 200.0, 300.0), torch.tensor([[0.05]]), FRAME.bin_hz)
    first = float(peaks.glide[0, 0])
    assert_allclose(peaks.glide[0].numpy(), [first, 2 * first, 3 * first])
    assert float(gliding(steady(100.0), torch.tensor([[-1e3]]), FRAME.bin_hz).glide) == -MOST_GLIDE


def test_a_tone_that_is_off_glides_nowhere() -> None:
    peaks = gliding(steady(100.0, 1e8), torch.tensor([[0.5, 0.5]]), FRAME.bin_hz)
    assert float(peaks.glide[0, 1]) == 0
    assert float(peaks.values[0, 1].abs().max()) == 0


def test_rates_of_a_vibrato() -> None:
    hop_s, n_frames = 0.02, 200
    time_s = hop_s * torch.arange(n_frames, dtype=torch.float64)
    pitch = torch.exp(0.02 * torch.sin(2 * np.pi * 5 * time_s))[:, None]
    on = torch.ones(n_frames, 1)
    found = glide_rates(Tones(on, 100 * pitch, 0 * on), hop_s, hop_s)[1:-1, 0]
    true = 0.02 * 2 * np.pi * 5 * torch.cos(2 * np.pi * 5 * time_s)[1:-1]
    # A mean over 40 ms of its 200 ms: sin(0.2 pi) / (0.2 pi).
    assert_close(found, 0.935 * true, atol=0.01, rtol=0)


def test_rates_stop_where_a_note_does() -> None:
    f0_bins = torch.tensor([[100.0, 0.0], [101.0, 50.0], [150.0, 50.5], [151.0, 0.0]])
    on = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    found = glide_rates(Tones(on, f0_bins, 0 * on), 1.0, 1.0)
    up, higher, low = np.log(101 / 100), np.log(151 / 150), np.log(50.5 / 50)
    wanted = [[up, 0], [up, low], [higher, low], [higher, 0]]
    assert_allclose(found.numpy(), wanted, atol=1e-6)
