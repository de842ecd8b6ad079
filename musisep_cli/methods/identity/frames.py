"""Frames: samples to overlapping spectra and back, without loss.

A frame is 1024 samples at 16 kHz (64 ms), under a Hann window w, and the next one begins 256 later:

    X[n, f] = sum_t w[t] x[256 n + t - 768] exp(-2 pi i f t / 1024)                             (1)
    y[t]    = 2/3 sum_n w[t - 256 n + 768] (irfft Y[n])[t - 256 n + 768]                        (2)

Every sample lies in four frames, and w^2 at four places 256 apart sums to 3/2: with Y = X, y = x.

Departs from the specification: it has 512 learned filters of 32 ms that start as Hann-windowed
pairs. Windows twice as long keep the partials of low notes apart, frames half as dense halve the
cost of all that follows, and filters that stay as they are need no learning and return the input
for a mask of 1 after training as before.

Axes: ``b`` batch, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE_HZ = 16_000
"""The network's own rate, in Hz: what other rates have above 8 kHz follows from below."""
WINDOW_SAMPLES = 1024
"""Length of a frame in samples, 64 ms."""
HOP_SAMPLES = 256
"""From one frame to the next in samples, 16 ms: four frames overlap."""
N_BINS = WINDOW_SAMPLES // 2 + 1
"""Bins f of a spectrum, 15.6 Hz apart."""
FLOOR = 1e-3
"""Added to the power of every bin before its logarithm, 61 dB below the peak of a sine of RMS 0.1:
what is weaker is no part of the music."""

_LEAD_SAMPLES = WINDOW_SAMPLES - HOP_SAMPLES


def n_frames(n_samples: int) -> int:
    """Return how many frames touch as many samples.

    >>> n_frames(1), n_frames(256), n_frames(16_000)
    (4, 4, 66)
    """
    return -(-n_samples // HOP_SAMPLES) + _LEAD_SAMPLES // HOP_SAMPLES


def analyse(waves: Tensor) -> Tensor:
    """Return the spectra ``[..., n, f]`` of waveforms ``[..., t]``, complex.

    >>> analyse(torch.zeros(2, 16_000)).shape
    torch.Size([2, 66, 513])
    """
    n_samples = waves.shape[-1]
    after = n_frames(n_samples) * HOP_SAMPLES - n_samples
    padded = functional.pad(waves, (_LEAD_SAMPLES, after))
    # Eq. (1)
    windows = padded.unfold(-1, WINDOW_SAMPLES, HOP_SAMPLES) * _window(waves)
    spectra: Tensor = torch.fft.rfft(windows)
    return spectra


def synthesise(spectra: Tensor, n_samples: int) -> Tensor:
    """Return the waveforms ``[..., t]`` of ``n_samples`` whose frames are ``[..., n, f]``.

    Spectra that belong to no waveform give the nearest one, in the sense of least squares.
    """
    window = _window(spectra.real)
    frames = torch.fft.irfft(spectra, n=WINDOW_SAMPLES) * (window * (2 / 3))
    n_overlapping = WINDOW_SAMPLES // HOP_SAMPLES
    quarters = frames.unflatten(-1, (n_overlapping, HOP_SAMPLES))  # [..., n, 4, 256]
    # Eq. (2): quarter q of frame n lies at hop n + q.
    hops = sum(
        functional.pad(quarters[..., q, :], (0, 0, q, n_overlapping - 1 - q))
        for q in range(n_overlapping)
    )
    waves = torch.as_tensor(hops).flatten(-2)
    return waves[..., _LEAD_SAMPLES : _LEAD_SAMPLES + n_samples]


def log_power(spectra: Tensor) -> Tensor:
    """Return the logarithm of the power in every bin, with a floor, real ``[..., n, f]``."""
    return torch.log(spectra.real.square() + spectra.imag.square() + FLOOR)


def _window(like: Tensor) -> Tensor:
    return torch.hann_window(WINDOW_SAMPLES, dtype=like.dtype, device=like.device)
