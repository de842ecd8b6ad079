"""Gliding peaks: what a harmonic looks like whose frequency moves within the window.

A sinusoid of frequency f_h + c t around the centre of a Gaussian window is seen as a Gaussian of
complex width,

    g_h[f] = exp(-(f - f_h)^2 / (2 sigma^2 (1 - i kappa))) / sqrt(1 - i kappa),                 (1)
    kappa = c / (2 pi sigma^2),                                                                 (2)

sigma being the width of a steady peak. It is sqrt(1 + kappa^2) times as wide: the tenth harmonic of
a voice with vibrato as much as ten times. The inner product of two of them is, by their integral
over all frequencies, with z = 1 - i kappa,

    <g_h, g_h'> = sigma sqrt(2 pi / (conj(z_h) + z_h'))
                  exp(-(f_h - f_h')^2 / (2 sigma^2 (conj(z_h) + z_h'))).                        (3)

Departs from the paper, whose peaks are steady. How fast a note glides is known: its pitch moves
from frame to frame, and each harmonic as many times as fast as it is high. So nothing more is
fitted, and a voice or a bowed string comes out better (docs/tries.md, "Peaks that glide").

Axes: ``n`` frames, ``t`` tones of a frame, ``h`` harmonics, of all tones of a frame in a row, ``f``
bins, ``w`` bins of the window around one peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.tones.peaks import FAR_BINS, OUTSIDE_WIDTHS, Peaks, bell
from musisep_cli.tones.tones import Tones, note_steps

MOST_GLIDE = 2.0
"""Largest kappa: what glides faster is taken to glide so fast. Such harmonics are high and faint,
and the faster they are, the more bins every peak would be stored in: with 4, a duet took 0.2 GB
more, and no recording came out better."""
REACH = 4.5
"""Widths around its centre in which a peak is stored: exp(-4.5^2 / 2) = 4e-5."""
LEAST_EXPONENT = -40.0
"""Inner products of peaks farther apart than exp(-40) are as good as 0."""


@dataclass(frozen=True)
class GlidingPeaks(Peaks):
    """Peaks of harmonics that glide; their values are complex.

    Attributes:
        bins: as of steady ones, always stored.
        glide: kappa of (2), ``[..., h]``.
    """

    bins: Tensor
    glide: Tensor

    @classmethod
    def of_steady(cls, peaks: Peaks, glide: Tensor) -> GlidingPeaks:
        """Make peaks in the places of steady ones that glide by kappa ``[..., h]``."""
        spread = (1 + glide.square()).sqrt()  # |z|
        widest = peaks.between[1] * float(spread.max())
        reach = min(math.ceil(REACH * widest) + 1, peaks.n_bins)
        offsets = torch.arange(-reach, reach + 1, device=peaks.positions.device)
        nearest = peaks.positions.clamp(0, peaks.n_bins - 1).round().long()
        bins = nearest[..., None] + offsets
        inside = (bins >= 0) & (bins < peaks.n_bins)
        distance = (bins - peaks.positions[..., None]) / peaks.widths[..., None, None]
        distance = torch.where(inside, distance, OUTSIDE_WIDTHS) / spread[..., None]
        # Magnitude and phase of (1): 1 / z = (1 + i kappa) / |z|^2.
        height = bell(distance) / spread.sqrt()[..., None]
        phase = 0.5 * (glide.atan()[..., None] - glide[..., None] * distance.square())
        return cls(
            bins=bins.clamp(0, peaks.n_bins - 1),
            values=torch.polar(height, phase),
            positions=peaks.positions,
            widths=peaks.widths,
            n_bins=peaks.n_bins,
            between=peaks.between,
            glide=glide,
        )

    def part(self, harmonics: slice) -> Self:
        """Return some of the peaks."""
        return replace(super().part(harmonics), glide=self.glide[..., harmonics])

    def envelopes(self, factor: float) -> Peaks:
        """Return the magnitudes of the peaks, those of steady ones ``factor`` times as wide."""
        narrowest, widest = self.between
        between = (factor * narrowest, factor * widest)
        steady = Peaks(
            self.bins, self.values, self.positions, factor * self.widths, self.n_bins, between
        )
        wide = GlidingPeaks.of_steady(steady, self.glide)
        return replace(steady, bins=wide.bins, values=wide.values.abs())

    def render(self, coefficients: Tensor) -> Tensor:
        """Return the spectrum sum_h c_h g_h[f], complex ``[..., f]``, as of steady peaks."""
        terms = (coefficients[..., None] * self.values).flatten(-2)  # ..., h w
        blank = terms.new_zeros(*terms.shape[:-1], self.n_bins)
        return blank.scatter_add(-1, self._index, terms)

    def correlate(self, spectrum: Tensor) -> Tensor:
        """Return the inner products sum_f conj(g_h[f]) v[f], complex ``[..., h]``."""
        near = spectrum.gather(-1, self._index).view(self.values.shape)
        products: Tensor = (near * self.values.conj()).sum(-1)
        return products

    def gram(self) -> Tensor:
        """Return the inner products <g_h, g_h'> by (3), complex ``[..., h, h]``."""
        # Sums of z: 2 + i (kappa_h - kappa_h'). All that follows is real, for memory.
        turn = self.glide[..., :, None] - self.glide[..., None, :]
        power = turn.square() + 4  # |z + z'|^2
        distance = self.positions[..., :, None] - self.positions[..., None, :]
        exponent = distance.div_(self.widths[..., None, None]).square_().div_(power).mul_(-0.5)
        heights = (self.widths[..., None, None] * math.sqrt(2 * math.pi)) * power.pow_(-0.25)
        phases = exponent.neg().mul_(turn).sub_(turn.div_(2).atan_().div_(2))
        heights.mul_(exponent.mul_(2).clamp_min_(LEAST_EXPONENT).exp_())
        return torch.polar(heights, phases)  # (3)

    @property
    def _index(self) -> Tensor:
        """The bin of every stored value, ``[..., h w]``."""
        return self.bins.flatten(-2)


def gliding(peaks: Peaks, rates: Tensor, bin_hz: float) -> GlidingPeaks:
    """Return steady peaks as they are when their tones glide.

    Args:
        peaks: of all tones of a frame, as if they were the harmonics of one, ``[n, t h]``.
        rates: how fast every tone glides, relative to its pitch, per second, ``[n, t]``.
        bin_hz: distance between bins.
    """
    n_harmonics = peaks.positions.shape[1] // rates.shape[1]
    # Those of tones that are off lie far outside.
    positions = torch.where(peaks.positions < FAR_BINS, peaks.positions, 0.0)
    speeds_hz = rates.repeat_interleave(n_harmonics, 1) * positions * bin_hz  # c, Hz per second
    widths_hz = peaks.widths[:, None] * bin_hz
    glide = speeds_hz / (2 * math.pi * widths_hz.square())  # (2)
    return GlidingPeaks.of_steady(peaks, glide.clamp(-MOST_GLIDE, MOST_GLIDE))


def glide_rates(tones: Tones, hop_s: float, span_s: float) -> Tensor:
    """Return how fast tones glide, relative to their pitch, ``[n, t]`` per second.

    It is the mean over the steps from frame to frame within ``span_s``, before and after, as far as
    the note is the same there; 0 for a note of one frame.

    Args:
        tones: of consecutive frames, those of one voice in a column, ``[n, t]``.
        hop_s: time between frames.
        span_s: the longer, the less errors of the pitch pass for glides, and the more a vibrato is
            smoothed.

    >>> ones = torch.ones(4, 1)
    >>> f0_bins = torch.tensor([[100.0], [101.0], [102.0], [150.0]])
    >>> glide_rates(Tones(ones, f0_bins, ones), 0.02, 0.02).round(decimals=2).T
    tensor([[0.5000, 0.5000, 0.4900, 0.0000]])
    """
    semitones, goes_on = note_steps(tones)
    steps, n_frames = math.log(2) / 12 * semitones, len(tones)
    total, number = torch.zeros_like(tones.f0_bins), torch.zeros_like(tones.f0_bins)
    after = before = torch.ones_like(tones.on, dtype=torch.bool)
    for distance in range(max(1, round(span_s / hop_s))):
        # Of every frame the step that begins so many frames after it, and the one that ends so
        # many before it.
        ahead = _shifted(steps, goes_on, -distance, n_frames)
        behind = _shifted(steps, goes_on, distance + 1, n_frames)
        after, before = after & ahead[1], before & behind[1]
        total += ahead[0] * after + behind[0] * before
        number += after.to(number) + before
    return total / number.clamp_min(1) / hop_s


def _shifted(steps: Tensor, goes_on: Tensor, later: int, n_frames: int) -> tuple[Tensor, Tensor]:
    """Return steps and whether they are within a note so many rows later, as ``n_frames`` rows."""
    pad = (0, 0, later, n_frames - later - len(steps))  # negative: rows are cut off
    return functional.pad(steps, pad), functional.pad(goes_on, pad)
