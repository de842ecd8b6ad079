"""Source: what excites the filters of voices: harmonics of the pitch, and noise (Section 1).

All harmonics below the Nyquist frequency, at most 101 of them, have one amplitude; a filter C
takes 6 dB an octave off them above 200 Hz,

    line amplitude of harmonic k:  a / K' C(k f0) |H(k f0)|,                                    (1)
    C(f) = 10^(-6/20 log2(f / 200)) above 200 Hz, 1 below.                                      (2)

The noise is white and uniform in [-1, 1), of variance 1/3, with a gain g per frame and a filter D
of 40 magnitudes from 0 to 8 kHz, the same in all frames of an excerpt. It goes through H, too.

Axes: ``b`` excerpts, ``j`` voices, ``n`` frames, ``k`` harmonics, ``p`` line spectral frequencies,
``m`` magnitudes of D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.source_filter.filters import inverse_power

RATE_HZ = 16_000
"""Sample rate of the model in Hz."""
HOP_SAMPLES = 256
"""Samples from frame to frame: 16 ms."""
HOP_S = HOP_SAMPLES / RATE_HZ
"""Seconds from frame to frame."""
NYQUIST_HZ = RATE_HZ / 2
"""Highest frequency of the model in Hz."""
MOST_HARMONICS = 101
"""Largest number of harmonics of a voice."""
TILT_HZ, TILT_DB = 200.0, -6.0
"""Frequency from which on the source falls, and by how much an octave (2)."""
N_NOISE_BANDS = 40
"""Number of magnitudes of D, evenly spaced from 0 to 8 kHz."""
NOISE_POWER = 1 / 3
"""Variance of the white noise."""
LOWEST_HZ = 20.0
"""Least pitch in Hz that is computed with."""


@dataclass(frozen=True)
class Voices(FrameRows):
    """The parameters of voices in every frame; the frames are the first axis, or follow ``b j``.

    Attributes:
        amplitude: a, ``[..., n]``, or ``[n, j]`` where frames come first.
        noise: g, of the same shape.
        frequencies: line spectral frequencies in radians, ``[..., p]`` besides.
        bands: D, ``[..., m]`` besides.
    """

    amplitude: Tensor
    noise: Tensor
    frequencies: Tensor
    bands: Tensor

    @property
    def by_voice(self) -> Voices:
        """Return it with the voices before the frames, ``[j, n]`` for ``[n, j]`` and back."""
        return leafwise(lambda values: values.transpose(0, 1), self)


def n_harmonics(f0_hz: Tensor) -> Tensor:
    """Return K', how many harmonics of each pitch lie below the Nyquist frequency, at most 101.

    >>> n_harmonics(torch.tensor([1000.0, 999.0, 20.0])).tolist()
    [7.0, 8.0, 101.0]
    """
    return (torch.ceil(NYQUIST_HZ / f0_hz.clamp_min(LOWEST_HZ)) - 1).clamp(1, MOST_HARMONICS)


def tilt(frequency_hz: Tensor) -> Tensor:
    """Return C at some frequencies, by (2), of the same shape."""
    octaves = torch.log2(frequency_hz.clamp_min(TILT_HZ) / TILT_HZ)
    return torch.pow(10.0, TILT_DB / 20 * octaves)


def line_amplitudes(voices: Voices, f0_hz: Tensor, most: int | None = None) -> Tensor:
    """Return the amplitudes of all harmonics, by (1), ``[..., k]``.

    Args:
        voices: the parameters, ``[...]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[...]``.
        most: number of harmonics that are wanted; as many as the lowest pitch has by default.
    """
    count = n_harmonics(f0_hz)
    if most is None:
        sounding = count[f0_hz > 0]
        most = int(sounding.max()) if len(sounding) else 1
    k = torch.arange(1, most + 1, device=f0_hz.device)
    at_hz = f0_hz[..., None] * k
    there = ((k <= count[..., None]) & (f0_hz[..., None] > 0)).to(f0_hz.dtype)
    at_rad = (2 * math.pi / RATE_HZ * at_hz).clamp_max(math.pi)
    shape = (inverse_power(voices.frequencies, at_rad)).rsqrt() * tilt(at_hz)
    return (voices.amplitude / count)[..., None] * shape * there  # (1)


def bands_at(bands: Tensor, frequency_hz: Tensor) -> Tensor:
    """Return D at some frequencies, linear between its magnitudes, ``[..., q]``.

    Args:
        bands: D, ``[..., m]``.
        frequency_hz: from 0 to 8 kHz, ``[q]``.
    """
    place = (frequency_hz / NYQUIST_HZ * (bands.shape[-1] - 1)).clamp(0, bands.shape[-1] - 1)
    below = place.floor().long().clamp_max(bands.shape[-1] - 2)
    part = place - below
    return bands[..., below] * (1 - part) + bands[..., below + 1] * part
