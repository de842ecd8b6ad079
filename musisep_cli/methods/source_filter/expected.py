"""Expected spectra: the power per bin that is expected of voices, without making any sound.

Under a window w with sum S and sum of squares Q, a line of amplitude A at frequency F and white
noise of variance v, filtered to the magnitude N, give at frequency f the power

    A^2 / 4 W(f - F)^2 S^2 + v N(f)^2 Q,  W(0) = 1.                                             (1)

Phases are taken to be independent, so powers add up. A window is long, and pitch and amplitude
change in it: the lines of every frame n + m in it count by the part of the window's power around
that frame,

    P[n] = sum_m c_m P_lines[n + m],  c_m ~ w(m)^2,  sum_m c_m = 1.                             (2)

Departs from the specification, where a frame has the pitch of its middle: a vibrato moves a high
harmonic by more bins than a line is wide, and a mask that is too narrow cuts it in pieces.

Axes: ``b`` excerpts, ``j`` voices, ``n`` frames, ``k`` harmonics, ``f`` bins, ``m`` frames around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.methods.source_filter.filters import inverse_power
from musisep_cli.methods.source_filter.source import (
    NOISE_POWER,
    NYQUIST_HZ,
    RATE_HZ,
    Voices,
    bands_at,
    line_amplitudes,
)

N_GRID = 257
"""Number of frequencies from 0 to 8 kHz at which the filter of the noise is computed; it is linear
in power between them. Noise has no lines that a grid of 31 Hz could miss."""


class Window(Protocol):
    """A window and the bins of its spectrum, as far as expected spectra need to know."""

    @property
    def bin_hz(self) -> float:
        """Distance of two bins in Hz."""

    @property
    def n_bins(self) -> int:
        """Number of bins f from 0 Hz on."""

    @property
    def reach_bins(self) -> int:
        """Bins to both sides of a line that it reaches."""

    @property
    def line_power(self) -> float:
        """Power S^2 / 4 of a line of amplitude 1 in its own bin."""

    @property
    def noise_power(self) -> float:
        """Power Q of white noise of variance 1 in any bin."""

    def shape(self, offsets_bins: Tensor) -> Tensor:
        """Return W at some offsets in bins, of the same shape."""

    def weights(self, hop_s: float) -> Tensor:
        """Return c of (2) for frames of a hop, an odd number of them, ``[m]``."""


@dataclass(frozen=True)
class HannWindow:
    """The periodic Hann window of ``n_fft`` samples at the model's rate, not normalised."""

    n_fft: int

    @property
    def bin_hz(self) -> float:
        """Distance of two bins in Hz."""
        return RATE_HZ / self.n_fft

    @property
    def n_bins(self) -> int:
        """Number of bins, 0 Hz and the Nyquist frequency included."""
        return self.n_fft // 2 + 1

    @property
    def reach_bins(self) -> int:
        """Four: what lies beyond is below -60 dB."""
        return 4

    @property
    def line_power(self) -> float:
        """(n_fft / 2)^2 / 4."""
        return self.n_fft**2 / 16

    @property
    def noise_power(self) -> float:
        """Sum of the squared window, 3/8 n_fft."""
        return 3 * self.n_fft / 8

    def shape(self, offsets_bins: Tensor) -> Tensor:
        """Return W(x) = sinc(x) / (1 - x^2), 1/2 at x = +-1."""
        bent = 1 - offsets_bins.square()
        at_one = bent.abs() < 1e-4
        shape = torch.sinc(offsets_bins) / torch.where(at_one, torch.ones_like(bent), bent)
        return torch.where(at_one, torch.full_like(bent, 0.5), shape)

    def weights(self, hop_s: float) -> Tensor:
        """Return the squared window around its middle at multiples of a hop, of sum 1, ``[m]``."""
        hop = round(hop_s * RATE_HZ)
        reach = (self.n_fft // 2 - 1) // hop
        at = torch.arange(-reach, reach + 1) * (hop / self.n_fft)
        power = torch.cos(torch.pi * at) ** 4
        return power / power.sum()


def line_powers(voices: Voices, f0_hz: Tensor, window: Window) -> Tensor:
    """Return the power of the harmonics of every voice, by (1), ``[..., n, f]``.

    Args:
        voices: the parameters, ``[..., n]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[..., n]``.
        window: with which the spectrum is taken.
    """
    amplitudes = line_amplitudes(voices, f0_hz)
    k = torch.arange(1, amplitudes.shape[-1] + 1, device=f0_hz.device)
    places = (f0_hz[..., None] * k).clamp_max(NYQUIST_HZ) / window.bin_hz
    nearest = places.round().long()
    reach = torch.arange(-window.reach_bins, window.reach_bins + 1, device=f0_hz.device)
    bins = nearest[..., None] + reach
    shape = window.shape(bins - places[..., None]).square()
    shape = shape * ((bins >= 0) & (bins < window.n_bins))
    powers = window.line_power * amplitudes.square()[..., None] * shape  # (1)
    drawn = powers.new_zeros(*f0_hz.shape, window.n_bins)
    return drawn.scatter_add(-1, bins.clamp(0, window.n_bins - 1).flatten(-2), powers.flatten(-2))


def noise_powers(voices: Voices, window: Window) -> Tensor:
    """Return the power of the noise of every voice up to 8 kHz, by (1), ``[..., n, f]``."""
    at_hz = torch.linspace(0, NYQUIST_HZ, N_GRID, device=voices.noise.device)
    at_rad = torch.pi * at_hz / NYQUIST_HZ
    coarse = bands_at(voices.bands, at_hz).square() / inverse_power(voices.frequencies, at_rad)
    n_below = int(NYQUIST_HZ / window.bin_hz) + 1
    place = torch.arange(min(n_below, window.n_bins), device=at_hz.device) * (
        window.bin_hz * (N_GRID - 1) / NYQUIST_HZ
    )
    below = place.long().clamp_max(N_GRID - 2)
    part = place - below
    fine = coarse[..., below] * (1 - part) + coarse[..., below + 1] * part
    gain = NOISE_POWER * window.noise_power * voices.noise.square()
    return functional.pad(gain[..., None] * fine, (0, window.n_bins - len(place)))


def through_window(powers: Tensor, window: Window, hop_s: float, every: int = 1) -> Tensor:
    """Return powers as a window sees them that reaches over several frames, by (2).

    Beyond the first and the last frame they are taken to go on.

    Args:
        powers: of all frames, ``[..., n, f]``.
        window: which one.
        hop_s: time from frame to frame, in s.
        every: of so many frames one is wanted.
    """
    weights = window.weights(hop_s).to(powers)
    reach = len(weights) // 2
    if reach == 0:
        return powers[..., ::every, :]
    n_frames = powers.shape[-2]
    at = torch.arange(-reach, n_frames + reach, device=powers.device).clamp(0, n_frames - 1)
    wide = powers[..., at, :]
    seen = weights[0] * wide[..., :n_frames:every, :]
    for m in range(1, len(weights)):
        seen = seen + weights[m] * wide[..., m : m + n_frames : every, :]  # (2)
    return seen


def powers_of(voices: Voices, f0_hz: Tensor, window: Window, hop_s: float) -> Tensor:
    """Return the power that is expected of every voice, ``[..., n, f]``.

    Args:
        voices: the parameters, ``[..., n]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[..., n]``.
        window: with which the spectrum is taken.
        hop_s: time from frame to frame, in s.
    """
    lines = line_powers(voices, f0_hz, window)
    return through_window(lines + noise_powers(voices, window), window, hop_s)
