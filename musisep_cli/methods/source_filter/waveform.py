"""Waveform: the sound of voices, which the variant ``paper`` compares with the mixture (Section 1).

Harmonics by oscillators, noise drawn and filtered, their sum through the filter of every frame:

    voice = H (C I(a, f0) + g D N).                                                             (1)

Departs from the paper: the filters are applied in the frequency domain, to Hann frames of 512
padded to 2048, with their tails overlapped and added, instead of a recursion of 512 steps from
zero state. It is the same but for tails of over 0.1 s, and parallel. Departs from the authors'
code: a is 0 where a voice does not sound, with ramps of a frame, and f0 is held through rests.

Axes: ``b`` excerpts, ``j`` voices, ``n`` frames, ``k`` harmonics, ``t`` samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.methods.source_filter.filters import response
from musisep_cli.methods.source_filter.source import (
    HOP_SAMPLES,
    NYQUIST_HZ,
    RATE_HZ,
    Voices,
    bands_at,
    n_harmonics,
    tilt,
)

FRAME_SAMPLES = 2 * HOP_SAMPLES
"""Length of a frame in samples; they overlap by half."""
PADDED_SAMPLES = 4 * FRAME_SAMPLES
"""Length of a transform in samples: room for the tail of a frame's sound."""


def sound_of(voices: Voices, f0_hz: Tensor, noise: Tensor) -> Tensor:
    """Return the sound of every voice, by (1), ``[b, j, t]``.

    Args:
        voices: the parameters, ``[b, j, n]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[b, j, n]``.
        noise: white noise in [-1, 1), ``[b, j, t]``, 256 samples a frame.
    """
    spectra = _spectra(harmonics(voices.amplitude, f0_hz))
    at_hz = torch.linspace(0, NYQUIST_HZ, spectra.shape[-1], device=f0_hz.device)
    bands = bands_at(voices.bands, at_hz) * voices.noise[..., None]
    excited = spectra * tilt(at_hz) + _spectra(noise) * bands
    heard = excited * response(voices.frequencies, math.pi * at_hz / NYQUIST_HZ)  # (1)
    return _overlapped(heard)


def harmonics(amplitude: Tensor, f0_hz: Tensor) -> Tensor:
    """Return the sum of all harmonics below 8 kHz, each of amplitude a / K', ``[b, j, t]``.

    Args:
        amplitude: a, ``[b, j, n]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[b, j, n]``.
    """
    on = f0_hz > 0
    held = _held(f0_hz)
    pitch = _to_samples(held)
    phase = 2 * math.pi * torch.cumsum(pitch.double() / RATE_HZ, -1) % (2 * math.pi)
    louder = _to_samples(amplitude * on / n_harmonics(held))
    most = int(n_harmonics(held).max())
    total = torch.zeros_like(pitch)
    for k in range(1, most + 1):
        there = k * pitch < NYQUIST_HZ
        total = total + there * torch.cos((k * phase % (2 * math.pi)).to(pitch))
    return louder * total


def _held(f0_hz: Tensor) -> Tensor:
    """Return pitches with rests at that of the sounding frame before, or else after, ``[..., n]``.

    A voice that never sounds has 440 Hz.
    """
    n = torch.arange(f0_hz.shape[-1], device=f0_hz.device)
    last = torch.where(f0_hz > 0, n, torch.full_like(n, -1)).cummax(-1).values
    first = (f0_hz > 0).int().argmax(-1, keepdim=True)
    held = f0_hz.gather(-1, torch.where(last < 0, first, last))
    return torch.where(held > 0, held, torch.full_like(held, 440.0))


def _to_samples(values: Tensor) -> Tensor:
    """Return values of frames ``[b, j, n]`` at all samples, on lines between them, ``[b, j, t]``.

    Frame n is at sample 256 n; after the last one it is held.
    """
    wide = torch.cat([values, values[..., -1:]], -1)
    part = torch.arange(HOP_SAMPLES, device=values.device) / HOP_SAMPLES
    between = wide[..., :-1, None] * (1 - part) + wide[..., 1:, None] * part
    return between.flatten(-2)


def _spectra(sound: Tensor) -> Tensor:
    """Return the spectra of the Hann frames of sounds ``[b, j, t]``, ``[b, j, n, f]``."""
    padded = functional.pad(sound, (HOP_SAMPLES, HOP_SAMPLES))
    frames = padded.unfold(-1, FRAME_SAMPLES, HOP_SAMPLES)[..., :-1, :]
    window = torch.hann_window(FRAME_SAMPLES, device=sound.device, dtype=sound.dtype)
    spectra: Tensor = torch.fft.rfft(frames * window, n=PADDED_SAMPLES)
    return spectra


def _overlapped(spectra: Tensor) -> Tensor:
    """Return the sound of spectra of frames, tails and all, ``[b, j, t]``."""
    frames = torch.fft.irfft(spectra, n=PADDED_SAMPLES)
    n_frames = frames.shape[-2]
    length = (n_frames - 1) * HOP_SAMPLES + PADDED_SAMPLES
    flat = frames.flatten(0, 1).transpose(1, 2)
    whole = functional.fold(flat, (1, length), (1, PADDED_SAMPLES), stride=(1, HOP_SAMPLES))
    sound = whole.reshape(*spectra.shape[:2], length)
    return sound[..., HOP_SAMPLES : HOP_SAMPLES * (n_frames + 1)]
