"""Pitch likelihood: how well pitches explain where a frame's peaks lie (paper, Eqs. 8, 10).

A harmonic of pitch F lies at a multiple of F, so a peak at f is as far from the nearest as

    D(f, F) = (f / F - r) / r,  r = round(f / F)                                        (Eq. 10)

says, relative to the frequency, and a frame's K peaks have the likelihood

    p(f_1 ... f_K | F_1 ... F_N) = prod_k N(min_j |D(f_k, F_j)|; 0, sigma_1).            (Eq. 8)

Departs from the paper, in five ways. Logarithms are added up, for a product of a hundred densities
overflows; and D^2 is at most 4 sigma_1^2, or one peak of noise below F / 2, where no multiple is
near and D is infinite, would forbid F whatever the others say: a capped term is within 2 nats of
the best one. Besides:

* |D| is at most 1 / (2 r), so that high multiples of a low pitch are near any peak. As a structure
  has 20 harmonics, peaks above the twentieth are not explained (capped).
* A peak counts by its level: fully where it is the frame's loudest, not at all where it is as faint
  as peaks may be. Of a frame's peaks half are noise, and all of them faint.
* One of a tone's first five harmonics that is no peak costs 2 nats, as a peak that is no harmonic
  does. Else a peak of rumble is the fundamental of everything.
* sigma_1 is a third of the re-implementation's: peaks are exact here.

Measured on the first 12 s of five recordings whose notes are known, in frames in which all play:
the first pass finds 64 % of the tones as the re-implementation has it, 93 % so. The steps, as
``python -m tests.benchmarks.structures --only pitches`` prints them: twenty harmonics 80 %, levels
87 %, sigma_1 90 %, harmonics that are not seen 92 %, no faint candidates (``first_pass``) 93 %.

Axes: ``n`` frames, ``k`` peaks of a frame, ``m`` pitches tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]

CAP = 4.0
"""A squared deviation is at most this many variances: 2 nats."""
SEEN_WITHIN = 0.03
"""A harmonic is seen where a peak is within this relative deviation: half a semitone
(re-implementation)."""


@dataclass(frozen=True, kw_only=True)
class LikelihoodConfig:
    """How well peaks have to fit the harmonics of a pitch."""

    sigma: float = field(
        default=0.01, metadata={"below": 0.25, "why": "any peak would fit any pitch"}
    )
    """sigma_1: standard deviation of a peak from its harmonic, relative (re-implementation: 0.03,
    half a semitone)."""
    n_harmonics: int = 20
    """Peaks above this harmonic of a pitch are not explained by it; a structure has as many."""
    weighed: bool = True
    """Whether a peak counts by its level, or each as one, as in the paper."""
    n_expected: int = field(
        default=5, metadata={"least": 1, "most": 30, "why": "they are kept as the bits of a number"}
    )
    """So many of a tone's first harmonics should be seen."""
    absent_nats: float = field(default=2.0, metadata={"least": 0})
    """What each of them costs that is not; the paper has no such cost (0)."""


def deviation(frequency: Array, pitch: Array) -> tuple[Array, Array]:
    """Return D(f, F) (Eq. 10) and the number r of the nearest harmonic; both broadcast.

    It is infinite below F / 2, where r is 0.

    >>> d, r = deviation(np.array([100.0, 205.0, 40.0]), np.array(100.0))
    >>> d.round(4).tolist(), r.tolist()
    ([0.0, 0.025, inf], [1.0, 2.0, 0.0])
    """
    ratio = frequency / pitch
    number = np.rint(ratio)
    found = np.where(number > 0, ratio / np.maximum(number, 1) - 1, np.inf)
    return found, number


@dataclass(frozen=True)
class Explained:
    """How well each of some pitches explains the peaks of its frame.

    Attributes:
        square: min(D^2 / sigma_1^2, 4) of every peak, 0 for those that are none, ``[n, m, k]``.
        absent: how many of the harmonics that should be seen are not, ``[n, m]``.
    """

    square: Array
    absent: Array

    @classmethod
    def by(
        cls, pitch: Array, peaks: SpectralPeaks, n_bins: int, config: LikelihoodConfig
    ) -> Explained:
        """Return it for pitches in bins, > 0, ``[n, m]``; single precision is enough.

        Args:
            pitch: in bins.
            peaks: of the frames.
            n_bins: length of the spectra; harmonics above are not expected.
            config: how well they have to fit.
        """
        pitch = pitch.astype(np.float32)
        frequency = peaks.frequency_bins[:, None].astype(np.float32)
        # At r = 0 the ratio is below 1/2; with r taken as 1, |D| > 1/2, capped all the same.
        ratio = frequency / pitch[..., None]
        number = np.maximum(np.rint(ratio), 1)
        relative = np.abs(ratio / number - 1)  # |D|, Eq. 10
        square = np.minimum(np.square(relative / np.float32(config.sigma)), CAP)
        square[number > config.n_harmonics] = CAP
        seen = peaks.seen[:, None]
        first = (number <= config.n_expected) & (relative < SEEN_WITHIN) & seen
        # The harmonics that are seen as the bits of a number.
        bits = np.where(first, np.int64(1) << number.astype(np.int64), 0)
        found = np.bitwise_or.reduce(bits, -1)
        h = np.arange(1, config.n_expected + 1)
        expected = h * pitch[..., None] < n_bins - 1
        is_seen = found[..., None] >> h & 1 == 1
        return cls(square * seen, (expected & ~is_seen).sum(-1).astype(np.float32))


def weights(peaks: SpectralPeaks, depth_db: float, config: LikelihoodConfig) -> Array:
    """Return how much each peak of a frame counts, ``[n, k]``; they add up to their number K.

    Args:
        peaks: of the frames.
        depth_db: how far below the loudest peak one counts nothing.
        config: whether levels count.
    """
    if not config.weighed:
        return peaks.seen.astype(np.float32)
    level = np.where(peaks.seen, peaks.level_db, -np.inf)
    loudest = np.where(peaks.seen.any(1), level.max(1), 0.0)[:, None]
    weight = np.clip(1 + (level - loudest) / depth_db, 0, 1)
    total = np.maximum(weight.sum(1, keepdims=True), 1e-12)
    scaled: Array = (weight * peaks.count[:, None] / total).astype(np.float32)
    return scaled


def log_likelihood(square: Array, weight: Array, sigma: float) -> Array:
    """Return ln p of Eq. 8, ``[...]``, from squared deviations in variances ``[..., k]``.

    Args:
        square: of every peak from the nearest of the pitches, capped.
        weight: how much it counts, 0 for those that are none, ``[..., k]``.
        sigma: sigma_1.
    """
    density = -np.log(sigma * np.sqrt(2 * np.pi))
    total: Array = (weight * (density - 0.5 * square)).sum(-1)  # the logarithm of Eq. 8
    return total
