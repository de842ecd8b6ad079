"""Loss: how far spectra of voices are from a sound, in windows of several lengths (Section 3).

    L = sum over windows of mean | |X| - |Y| | + mean | log |X| - log |Y| |,                    (1)

X the sound and Y the sum of the voices, with 1e-10 inside the roots. The variant ``spectral``
knows |Y|^2 as expected; ``paper`` makes the voices' sound and takes its spectra.

Axes: ``b`` excerpts, ``j`` voices, ``n`` frames, ``t`` samples, ``f`` bins.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from musisep_cli.methods.source_filter.expected import (
    HannWindow,
    line_powers,
    noise_powers,
    through_window,
)
from musisep_cli.methods.source_filter.source import HOP_S, HOP_SAMPLES, Voices

SPECTRAL_SIZES = (2048, 512)
"""Lengths of the windows of the variant ``spectral`` in samples, each a quarter further but not
less than a frame of the model."""
PAPER_SIZES = (2048, 1024, 512, 256, 128, 64)
"""Lengths of the windows of the variant ``paper`` in samples, each a quarter further."""
INSIDE_ROOT = 1e-10
"""Added to powers before the root is taken."""


def distance(reference: Tensor, estimate: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the term of one window in (1), of powers, a scalar.

    Args:
        reference: |X|^2, ``[..., n, f]``.
        estimate: |Y|^2, of the same shape.
        weights: of the frames, ``[..., n]``; all count alike by default.
    """
    x, y = ((power + INSIDE_ROOT).sqrt() for power in (reference, estimate))
    apart = ((x - y).abs() + (x.log() - y.log()).abs()).mean(-1)  # (1)
    if weights is None:
        return apart.mean()
    return (apart * weights).sum() / weights.sum().clamp_min(1e-9)


def powers(sound: Tensor, n_fft: int, hop_samples: int) -> Tensor:
    """Return |STFT|^2 of sounds ``[..., t]`` in a Hann window, ``[..., n, f]``."""
    window = torch.hann_window(n_fft, device=sound.device, dtype=sound.dtype)
    flat = sound.reshape(-1, sound.shape[-1])
    spectra = torch.stft(
        flat, n_fft, hop_samples, window=window, pad_mode="constant", return_complex=True
    )
    squared = spectra.real.square() + spectra.imag.square()
    found: Tensor = squared.transpose(1, 2).unflatten(0, sound.shape[:-1])
    return found


def expected_powers(voices: Voices, f0_hz: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield length and step in frames of each window, and the voices' powers, ``[b, j, n, f]``."""
    for n_fft in SPECTRAL_SIZES:
        window, every = HannWindow(n_fft), max(n_fft // 4 // HOP_SAMPLES, 1)
        drawn = line_powers(voices, f0_hz, window) + noise_powers(voices, window)
        yield n_fft, every, through_window(drawn, window, HOP_S, every)


def spectral_loss(
    mixture: Tensor, voices: Voices, f0_hz: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return (1) of expected spectra, a scalar.

    Args:
        mixture: sounds ``[b, t]``.
        voices: parameters ``[b, j, n]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[b, j, n]``.
        weights: of the frames, ``[b, n]``.
    """
    terms = []
    for n_fft, every, drawn in expected_powers(voices, f0_hz):
        heard = powers(mixture, n_fft, every * HOP_SAMPLES)[:, : drawn.shape[-2]]
        near = None if weights is None else weights[:, ::every]
        terms.append(distance(heard, drawn.sum(1), near))
    return torch.stack(terms).sum()


def sound_loss(reference: Tensor, estimate: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return (1) of the spectra of two sounds, a scalar.

    Args:
        reference: the mixture, ``[b, t]``.
        estimate: the sum of the voices, ``[b, t]``.
        weights: of the frames of 256 samples, ``[b, n]``.
    """
    terms = []
    for n_fft in PAPER_SIZES:
        x, y = (powers(sound, n_fft, n_fft // 4) for sound in (reference, estimate))
        near = None
        if weights is not None:
            frames = torch.arange(x.shape[1], device=x.device) * (n_fft // 4) // HOP_SAMPLES
            near = weights[:, frames.clamp_max(weights.shape[1] - 1)]
        terms.append(distance(x, y, near))
    return torch.stack(terms).sum()
