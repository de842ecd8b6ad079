"""Certificate: how much every possible tone would still explain of what is left of a frame.

After S. Schulze, E. J. King, Formulating Beurling LASSO for Source Separation via Proximal Gradient
Iteration, arXiv:2202.08082, 2022. Lifted data b (``lifted``) are to be a sum of few unit atoms
psi_{i,s}, tones of instrument i at pitch s, with heights a >= 0:

    min_a  1/2 |sum_j a_j psi_j - b|^2 + alpha sum_j a_j.                                     (1)

With what is left, p = b - sum_j a_j psi_j, the certificate is

    q_i(s) = <psi_{i,s}, p>.                                                                  (2)

At the optimum q <= alpha everywhere, and q = alpha at the tones. A place where q exceeds its bound
alpha holds a tone that is missing: so far the sum does without it, and would be better with it.

Departs from the paper, where a pitch is a shift of log frequency and the bounded functions are
those of a Wiener space: the peaks of a frame have one width in Hz, so here each atom has its own
shape, with harmonics at s h, and the bins are finitely many. What it gains is that a recording's
frames can be read as they are.

Axes: ``n`` frames, ``i`` instruments, ``s`` pitches, ``h`` harmonics, ``x`` places on the fine axis
of ``lifted``, ``f`` bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.lifted import FINE, Lift
from musisep_cli.tones.objective import ObjectiveConfig

COARSE_FROM_BINS = 540.0
"""Above, every second place of the fine axis is a pitch: tones so high have few harmonics."""


@dataclass(frozen=True, kw_only=True)
class CertificateConfig:
    """Where tones are looked for."""

    lowest_hz: float = 39.0
    """The lowest pitch, three widths of a lifted peak and more: below, harmonics run together."""
    highest_hz: float = 4200.0
    """The highest pitch, that of a piano and of a piccolo."""


@dataclass(frozen=True)
class PitchGrid:
    """The pitches at which the certificate is drawn, and the atoms there.

    Attributes:
        lift: of the data.
        heights: w of every instrument's harmonics, ``[h, i]``.
        n_bins: of the spectra.
        lowest_bins: the first pitch is the next multiple of 1 / ``FINE``.
        highest_bins: no pitch is higher.
        bin_hz: distance of the bins.
    """

    lift: Lift
    heights: Tensor
    n_bins: int
    lowest_bins: float
    highest_bins: float
    bin_hz: float = 3.90625

    @cached_property
    def ranges(self) -> tuple[range, ...]:
        """The pitches as places of the fine axis, narrow steps first."""
        first, last = math.ceil(FINE * self.lowest_bins), math.floor(FINE * self.highest_bins)
        last = min(last, FINE * (self.n_bins - 1))
        middle = max(first, min(round(FINE * COARSE_FROM_BINS), last + 1))
        return range(first, middle), range(middle, last + 1, 2)

    @cached_property
    def pitches_bins(self) -> Tensor:
        """The pitches, ``[s]``."""
        places = [place for part in self.ranges for place in part]
        return torch.tensor(places, device=self.heights.device, dtype=self.heights.dtype) / FINE

    @cached_property
    def norms(self) -> Tensor:
        """|sum_h w_h g_h| of every atom before it is made a unit one, ``[i, s]``."""
        return atom_norms(self.lift, self.heights, self.pitches_bins, self.n_bins)

    def certificate(self, matched: Tensor) -> Tensor:
        """Return q of what is left, Eq. (2), ``[n, i, s]``.

        The harmonics of a pitch that is a place of the fine axis are places of it too: the comb
        is a sum of strided slices, and nothing is interpolated.

        Args:
            matched: what is left after ``Lift.matched``, ``[n, x]``.
        """
        parts = [self._combed(matched, part) for part in self.ranges if len(part)]
        return torch.cat(parts, -1) / self.norms

    def _combed(self, matched: Tensor, places: range) -> Tensor:
        """Return sum_h w_h <g_{s h}, p> at some pitches, ``[n, i, s]``."""
        total = matched.new_zeros(len(matched), self.heights.shape[1], len(places))
        last = FINE * (self.n_bins - 1)
        for h, heights in enumerate(self.heights, 1):
            strided = matched[:, h * places.start : last + 1 : h * places.step][:, : len(places)]
            if strided.shape[1] == 0:
                break
            total[..., : strided.shape[1]] += heights[:, None] * strided[:, None]
        return total


def pitch_grid(
    dictionary: Tensor, frame: GaborFrame, config: CertificateConfig, objective: ObjectiveConfig
) -> PitchGrid:
    """Return the pitches and atoms for the frames of a recording.

    Args:
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: where tones are looked for.
        objective: the lift.
    """
    lift = Lift(objective, frame.ideal_width_bins)
    return PitchGrid(
        lift=lift,
        heights=lift.relative_heights(dictionary),
        n_bins=frame.n_network_bins,
        lowest_bins=config.lowest_hz / frame.bin_hz,
        highest_bins=config.highest_hz / frame.bin_hz,
        bin_hz=frame.bin_hz,
    )


def atom_norms(lift: Lift, heights: Tensor, pitches_bins: Tensor, n_bins: int) -> Tensor:
    """Return |sum_h w_h g_h| of tones without inharmonicity, ``[i, s]``.

    Harmonics above the last bin do not count.

    Args:
        lift: of the data.
        heights: w, ``[h, i]``.
        pitches_bins: ``[s]``.
        n_bins: of the spectra.
    """
    h = torch.arange(1, len(heights) + 1, device=heights.device, dtype=heights.dtype)
    positions = pitches_bins[:, None] * h
    inside = (positions <= n_bins - 1).to(heights.dtype)
    gram = lift.inner(positions[:, :, None] - positions[:, None])  # s, h, h
    seen = heights.T[:, None] * inside  # i, s, h
    return torch.einsum("ish,shk,isk->is", seen, gram, seen).clamp_min(1e-12).sqrt()
