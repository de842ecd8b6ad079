"""Fitting: coefficients of known tones found again, whatever frames are asked for."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leaves
from musisep_cli.machine.threads import Threads
from musisep_cli.stems import fitting
from musisep_cli.stems.fitting import Fitted, Fitter
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.tones import Tones

FRAME = GaborFrame(FrameConfig(), 8_000)
N_BINS, N_HARMONICS = FRAME.n_network_bins, 3
AMPLITUDES = np.array([[1.0, 0.5, 0.25], [0.8, 0.8, 0.4]])
PITCHES = np.array([91.3, 52.7])
CONFIG = ResynthesisConfig(stems="wiener", steady_s=0.0, stretched=False)


def scene(n_frames: int, n_channels: int = 1) -> tuple[Tones, Tensor, Tensor]:
    """Two steady tones: what they are, their coefficients [n, i, h] and the channels [n, c, f]."""
    generator = np.random.default_rng(0)
    phases = np.exp(2j * np.pi * generator.random((n_frames, 2, N_HARMONICS)))
    coefficients = torch.from_numpy(0.1 * AMPLITUDES * phases)
    h = torch.arange(1, N_HARMONICS + 1)
    places = torch.from_numpy(PITCHES)[:, None] * h
    distance = (torch.arange(N_BINS) - places[..., None]) / FRAME.ideal_width_bins
    peaks = torch.exp(-0.5 * distance.square())  # i, h, f
    spectra = torch.einsum("nih,ihf->nf", coefficients, peaks.to(coefficients.dtype))
    f0_bins = torch.from_numpy(PITCHES).float().repeat(n_frames, 1)
    tones = Tones(torch.ones(n_frames, 2), f0_bins, torch.zeros(n_frames, 2))
    channels = spectra[:, None].repeat(1, n_channels, 1).to(torch.complex64)
    return tones, coefficients, channels


def fitter(tones: Tones, channels: Tensor, threads: int = 1, reach: int = 0) -> Fitter:
    dictionary = torch.from_numpy(AMPLITUDES.T).float()
    return Fitter(
        NotesAround(tones, reach),
        channels,
        lambda _: channels,
        dictionary,
        FRAME,
        CONFIG,
        Threads(threads),
    )


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_coefficients_of_a_mixture_without_noise_are_found(n_channels: int) -> None:
    tones, coefficients, channels = scene(6, n_channels)
    fitted = fitter(tones, channels)[:]
    assert fitted.coefficients.shape == (6, 6, N_HARMONICS, n_channels)
    for c in range(n_channels):
        error = (fitted.coefficients[:, :2, :, c] - coefficients).abs().max()
        assert float(error) < 0.02 * float(coefficients.abs().max())
    assert_close(fitted.tones.f0_bins[:, :2], tones.f0_bins, atol=0.1, rtol=0)


def test_of_notes_around_that_there_are_not_all_is_off() -> None:
    tones, _, channels = scene(5)
    fitted = fitter(tones, channels, reach=3)[:]
    assert_array_equal(fitted.tones.on[:, 2:].numpy(), 0)
    assert_array_equal(fitted.coefficients[:, 2:].numpy(), 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_is_found_whatever_blocks_are_asked_for(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "FOLLOWED_FRAMES", 4)
    monkeypatch.setattr(fitting, "FOLLOWED_REACH", 2)
    tones, _, channels = scene(11)
    whole, in_blocks = fitter(tones, channels)[:], fitter(tones, channels, threads)
    assert len(in_blocks) == 11
    for first, last in ((0, 3), (3, 9), (9, 11)):
        for name, values in leaves(in_blocks[first:last]).items():
            assert_close(values, leaves(whole)[name][first:last], atol=0, rtol=0)


def test_what_is_put_stands_in_its_rows_and_first_tones() -> None:
    n, t, i = 5, 6, 2
    blank = torch.zeros(n, t)
    fitted = Fitted.none(
        Tones(blank, blank, blank), N_HARMONICS, torch.zeros(n, 1, 7, dtype=torch.complex64)
    )
    rows = torch.tensor([3, 1])
    tones = Tones(*(k + torch.arange(4.0).view(2, i) for k in (1, 10, 20)))
    coefficients = torch.view_as_complex(torch.arange(24.0).view(2, i * N_HARMONICS, 1, 2))
    fitted.put(rows, tones, coefficients)
    for name, values in leaves(fitted.tones).items():
        assert_close(values[rows, :i], leaves(tones)[name], atol=0, rtol=0)
        assert float(values[[0, 2, 4]].abs().sum()) == 0
        assert float(values[:, i:].abs().sum()) == 0
    assert_allclose(
        fitted.coefficients[3, :i].numpy(), coefficients[0].view(i, N_HARMONICS, 1).numpy()
    )
    assert float(fitted.coefficients[:, i:].abs().sum()) == 0
