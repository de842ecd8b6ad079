"""Likeness: how like two instruments are, and which of several known ones a stem is nearest to.

The known instrument was heard at other pitches than the stem, so what it would do at a pitch is
predicted from those near by: a mean of its rows, weighted by the time they were heard and by
nearness in pitch, with a variance that grows with the distance to the nearest one. The misfit of a
stem is, over its pitches g (weighted by time) and their harmonics,

    misfit = mean_g mean_h min((l_gh - k_gh - c_g)^2 / s_gh^2, MOST_SQUARED)
             + REGISTER min((m - m')^2 / (2 s'^2), MOST_REGISTER),                              (1)

l the stem's levels in dB, k the predicted ones, s^2 the sum of both variances and ``SLACK_DB``^2, c
the shift that suits best; m and m' the mean pitches, s' the known register's width, widened by
``WIDER_SEMITONES``: another passage may lie elsewhere. Harmonics that neither has are left out.

Axes: ``g`` semitones, ``h`` harmonics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from musisep_cli.tones.identity import Floats, Identity
from musisep_cli.tones.timbre import N_SEMITONES

NEAR_SEMITONES, FAR_SEMITONES, FAR_WEIGHT = 1.5, 6.0, 0.02
"""Widths in semitones of the kernel of nearness, and the weight of its wider part: a pitch is
predicted from its neighbours, and from the rest of the register only where there are none."""
LEAST_WEIGHT = 1e-6
"""Weight of any other pitch: the prediction is finite everywhere."""
MOST_KEPT = 256
"""Predictions that are kept: those of a whole table of instruments."""
SLACK_DB, SLACK_PER_SEMITONE_DB, MOST_SLACK_SEMITONES = 4.0, 1.0, 12
"""Standard deviation, in dB, by which one instrument differs from itself in another passage, by how
much more for every semitone to the nearest pitch that was heard, and to how many it grows."""
LARGEST_MISFIT = 1e3
"""Misfit that stands for an infinite one where misfits are added up."""
MOST_SQUARED = 9.0
"""Most that a harmonic counts: three standard deviations. Stems have errors of separation."""
AUDIBLE_DB = -42.0
"""Level relative to the tone up to which a harmonic counts as absent."""
REGISTER, MOST_REGISTER, WIDER_SEMITONES = 0.25, 8.0, 4.0
"""Weight and greatest value of the second term of (1), and the semitones that widen a register."""


def misfit(*, known: Identity, heard: Identity) -> float:
    """Return (1): how badly a known instrument explains what was heard; infinite without tones."""
    if heard.total_s <= 0 or known.total_s <= 0:
        return math.inf
    rows = np.flatnonzero(heard.heard_s > 0)
    level_db, variance, reach = predicted(known)
    of_rows = np.array([_of_row(int(g), heard, level_db, variance, reach) for g in rows])
    timbre = float(heard.heard_s[rows] @ of_rows) / heard.total_s
    return timbre + REGISTER * _register(known, heard)


def misfits(known: Sequence[Sequence[Identity]], heard: Sequence[Identity]) -> Floats:
    """Return the least misfit of what was heard from any identity of each known instrument.

    Args:
        known: of every known instrument the identities that it may have.
        heard: identities of stems.

    Returns:
        ``[k, i]``, known instruments by stems.
    """
    least = [
        [min(misfit(known=one, heard=stem) for one in each) for stem in heard] for each in known
    ]
    return np.array(least).reshape(len(known), len(heard))


def assigned(misfits: Floats) -> tuple[list[int], list[int]]:
    """Return known instruments and the stem that each gets, with the least sum of ``[k, i]``.

    Where there are fewer stems than known instruments, some get none.

    >>> assigned(np.array([[0.1, 0.5], [0.2, 3.0]]))
    ([0, 1], [1, 0])
    """
    rows, places = linear_sum_assignment(np.minimum(misfits, LARGEST_MISFIT))
    return rows.tolist(), places.tolist()


@lru_cache(maxsize=MOST_KEPT)
def predicted(known: Identity) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return level and variance that an instrument is expected to have, and the harmonics in reach.

    Returns:
        Levels in dB and variances, ``[g, h]``, and whether a harmonic was ever looked at, ``[h]``.
    """
    distance, kernel = _nearness()
    weights = known.heard_s[:, None] * known.valid  # g, h
    total = kernel @ weights
    safe = np.maximum(total, 1e-12)
    level_db = kernel @ (weights * known.level_db) / safe
    square = kernel @ (weights * (known.level_db**2 + known.spread_db**2)) / safe
    heard = np.flatnonzero(known.heard_s > 0)
    away = distance[:, heard].min(1) if len(heard) else np.full(N_SEMITONES, N_SEMITONES)
    slack = SLACK_PER_SEMITONE_DB * np.minimum(away, MOST_SLACK_SEMITONES)
    variance = np.maximum(square - level_db**2, 0.0) + SLACK_DB**2 + slack[:, None] ** 2
    return level_db, variance, np.asarray(weights.any(0))


@cache
def _nearness() -> tuple[Floats, Floats]:
    """Return the distances of all pitches in semitones, and how much each tells, ``[g, g]``."""
    grid = np.arange(N_SEMITONES, dtype=np.float64)
    distance = np.abs(grid[:, None] - grid)
    kernel = np.exp(-0.5 * (distance / NEAR_SEMITONES) ** 2)
    kernel += FAR_WEIGHT * np.exp(-0.5 * (distance / FAR_SEMITONES) ** 2) + LEAST_WEIGHT
    return distance, kernel


def _of_row(
    g: int, heard: Identity, level_db: Floats, variance: Floats, reach: NDArray[np.bool_]
) -> float:
    """Return the first term of (1) at one pitch."""
    counts = heard.valid[g] & reach
    counts &= (heard.level_db[g] > AUDIBLE_DB) | (level_db[g] > AUDIBLE_DB)
    if not counts.any():
        return MOST_SQUARED
    squared = variance[g, counts] + heard.spread_db[g, counts] ** 2
    apart = heard.level_db[g, counts] - level_db[g, counts]
    shift = (apart / squared).sum() / (1 / squared).sum()
    return float(np.minimum((apart - shift) ** 2 / squared, MOST_SQUARED).mean())


def _register(known: Identity, heard: Identity) -> float:
    """Return the second term of (1), before its weight."""
    (mean, _), (other, spread) = heard.register_semitones, known.register_semitones
    return min((mean - other) ** 2 / (2 * (spread**2 + WIDER_SEMITONES**2)), MOST_REGISTER)
