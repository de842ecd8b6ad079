"""First pass: how many tones a frame holds, and which, by its peaks alone (paper, Eqs. 8 and 10).

Nothing is known of the instruments yet. Candidates are the peaks themselves, moved a little to both
sides, for a tone's other harmonics may say better where it is. The best single pitch is taken;
then, with it kept, the one that best explains what is left, and so on, one per instrument. How many
of them there are, the Bayesian information criterion says:

    N = argmax_N ln p(f_1 ... f_K | F_1 ... F_N) - (N / 2) ln K.                          (BIC)

Departs from the paper: a peak that is 35 dB fainter than the frame's loudest is no candidate.
Instruments with so weak a fundamental are rare, peaks of rumble so faint are in every frame. And a
frame with few peaks is not silent, as it is there with fewer than five: noise has dozens, a clean
high tone has three.

Axes: ``n`` frames, ``k`` peaks of a frame, ``m`` candidates, ``i`` tones in the order found.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.structures.pitch_likelihood import (
    CAP,
    Explained,
    LikelihoodConfig,
    log_likelihood,
)
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]

NEVER = np.float32(1e9)
"""Nats that what is no candidate costs: it is never the best."""


@dataclass(frozen=True, kw_only=True)
class FirstPassConfig:
    """Which pitches are tried (re-implementation of the paper, where nothing else is said)."""

    lowest_hz: float = 65.0
    """Lowest pitch, C2."""
    highest_hz: float = 3951.0
    """Highest pitch, B7."""
    reach_semitones: float = field(
        default=0.5, metadata={"most": 2, "why": "beyond lies another note"}
    )
    """Pitches are tried so far around a peak, and no second one so near to the first."""
    step_semitones: float = field(
        default=0.1, metadata={"least": 0.01, "why": "finer steps only take memory"}
    )
    """In these steps."""
    faintest_db: float = 35.0
    """A candidate is at most so much fainter than the frame's loudest peak; not in the paper."""

    @property
    def moves(self) -> Array:
        """Return the factors by which a peak is moved, ``[moves]``.

        >>> FirstPassConfig().moves.size
        11
        """
        n_steps = round(self.reach_semitones / self.step_semitones)
        semitones = self.step_semitones * np.arange(-n_steps, n_steps + 1)
        factors: Array = 2 ** (semitones / 12)
        return factors


@dataclass(frozen=True)
class PitchSets(FrameRows):
    """The pitches of some frames, in the order in which they were found.

    Attributes:
        f0_bins: the first is the best by itself, the second the best beside it; ``[n, i]``.
        bic: of the first 1, 2, ... of them, ``[n, i]``.
        count: how many there are by the criterion, 0 in silence, ``[n]``.
    """

    f0_bins: Array
    bic: Array
    count: NDArray[np.int64]

    @property
    def on(self) -> Flags:
        """Return whether a pitch counts as a tone, bool ``[n, i]``."""
        on: Flags = np.arange(self.f0_bins.shape[1]) < self.count[:, None]
        return on


@dataclass(frozen=True)
class Candidates:
    """Pitches that are tried in some frames, and how well each explains the peaks.

    Attributes:
        f0_bins: the pitches; 1 in place of none, ``[n, m]``.
        allowed: whether there is one, bool ``[n, m]``.
        square: squared deviation of every peak in variances, at most 4, ``[n, m, k]``.
        absent_nats: what the harmonics cost that are not seen, ``[n, m]``.
    """

    f0_bins: Array
    allowed: Flags
    square: Array
    absent_nats: Array

    @classmethod
    def of(
        cls,
        peaks: SpectralPeaks,
        frame: GaborFrame,
        config: FirstPassConfig,
        likelihood: LikelihoodConfig,
    ) -> Candidates:
        """Return the peaks of a frame as pitches, each moved to where it explains most by itself.

        Args:
            peaks: of the frames.
            frame: the representation.
            config: which pitches are tried.
            likelihood: how well they have to fit.
        """
        f0_bins, allowed = candidates(peaks, frame, config)
        explained = Explained.by(f0_bins, peaks, frame.n_network_bins, likelihood)
        return cls(f0_bins, allowed, explained.square, likelihood.absent_nats * explained.absent)

    def cost(self, weight: Array, nearest: Array) -> Array:
        """Return what the peaks cost if one of the candidates sounds besides the tones so far.

        Args:
            weight: of every peak, ``[n, k]``.
            nearest: its squared deviation from the tones so far, ``[n, k]``.

        Returns:
            Nats, ``NEVER`` for what is no candidate, ``[n, m]``.
        """
        closer = np.minimum(nearest[:, None], self.square)  # min_j of Eq. 8
        cost = 0.5 * np.einsum("nmk,nk->nm", closer, weight) + self.absent_nats
        found: Array = np.where(self.allowed, cost, NEVER)
        return found

    def one_per_peak(self, weight: Array, n_moves: int) -> Candidates:
        """Return every peak once, moved to where it explains most by itself."""
        nearest = np.full(weight.shape, CAP, np.float32)
        cost = self.cost(weight, nearest).reshape(len(weight), -1, n_moves)
        best = np.arange(cost.shape[1]) * n_moves + cost.argmin(-1)
        rows = np.arange(len(best))[:, None]
        return Candidates(*(values[rows, best] for values in vars(self).values()))


def first_pass(
    tried: Candidates,
    peaks: SpectralPeaks,
    weight: Array,
    n_instruments: int,
    config: FirstPassConfig,
    likelihood: LikelihoodConfig,
) -> PitchSets:
    """Return the most likely pitches of every frame, and how many of them there are.

    Args:
        tried: pitches of the frames.
        peaks: of the frames.
        weight: how much each of them counts, ``[n, k]``.
        n_instruments: the most tones at once.
        config: how far apart tones are.
        likelihood: how well they have to fit.
    """
    pitch, allowed = tried.f0_bins, tried.allowed
    audible = allowed.any(1)
    rows = np.arange(len(pitch))
    nearest = CAP * peaks.seen.astype(np.float32)  # of the tones so far; n, k
    paid = np.zeros(len(pitch))
    found, bic = np.empty((2, len(pitch), n_instruments))
    for place in range(n_instruments):
        best = replace(tried, allowed=allowed).cost(weight, nearest).argmin(1)
        nearest = np.minimum(nearest, tried.square[rows, best])
        paid += tried.absent_nats[rows, best]
        likely = log_likelihood(nearest, weight, likelihood.sigma) - paid
        found[:, place] = pitch[rows, best]
        penalty = 0.5 * (place + 1) * np.log(np.maximum(peaks.count, 1))
        bic[:, place] = likely - penalty  # (BIC)
        distance = 12 * np.abs(np.log2(pitch / found[:, place, None]))
        allowed = allowed & (distance > config.reach_semitones)
        bic[~allowed.any(1), place + 1 :] = -NEVER  # no other candidate is left
    return PitchSets(found, bic, (bic.argmax(1) + 1) * audible)


def candidates(
    peaks: SpectralPeaks, frame: GaborFrame, config: FirstPassConfig
) -> tuple[Array, Flags]:
    """Return the pitches that are tried in every frame, in bins, and which of them count.

    Both ``[n, m]``; the others stand in for none and are 1.
    """
    lowest, highest = config.lowest_hz / frame.bin_hz, config.highest_hz / frame.bin_hz
    level = np.where(peaks.seen, peaks.level_db, -np.inf)
    inside = peaks.seen & (level >= level.max(1, keepdims=True) - config.faintest_db)
    inside &= (peaks.frequency_bins >= lowest) & (peaks.frequency_bins <= highest)
    n_most = max(int(inside.sum(1).max(initial=0)), 1)
    # The peaks are in the order of their frequencies: those inside are moved to the front.
    order = np.argsort(~inside, 1, kind="stable")[:, :n_most]
    inside = np.take_along_axis(inside, order, 1)
    pitch = np.where(inside, np.take_along_axis(peaks.frequency_bins, order, 1), 1.0)
    moved = pitch[..., None] * config.moves
    return moved.reshape(len(pitch), -1), np.repeat(inside, config.moves.size, 1)
