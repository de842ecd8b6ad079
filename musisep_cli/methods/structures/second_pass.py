"""Second pass: what every instrument plays, by its structure (paper, Eqs. 14, 15).

Now that the instruments are known, every frame is heard once for each. Of the candidates, that
pitch is the instrument's which explains best where the peaks are and how loud,

    F_i = argmax_F sum_k ln p(f_k | F) + ln p(A_k | f_k, F, B_i),                        (Eq. 14)
    p(f_k | F) = N(D(f_k, F); 0, sigma_1),
    p(A_k | f_k, F, B_i) = N(A_k - B_i[r_k]; 0, HSI_i),                                  (Eq. 15)

each squared error capped at 4 variances. One peak per harmonic counts, the nearest; the others pay
the cap. The levels of those that count are shifted to the energy of the structure.

The first pass says how many tones there are, so the least likely instruments rest. A track of
pitches passes two median filters, of 140 and 325 ms.

Departs from the paper, where each instrument is heard by itself: two may not claim one pitch. The
assignment with the best sum is taken, in which a peak counts for the instrument that explains it
best: each by itself, both would take the loudest tone. Peaks count by their level, and harmonics
that are not seen cost, as in the first pass (``pitch_likelihood``).

Axes: ``n`` frames, ``k`` peaks of a frame, ``m`` candidates, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from musisep_cli.methods.structures.average_structure import Instruments
from musisep_cli.methods.structures.first_pass import NEVER, Candidates, FirstPassConfig
from musisep_cli.methods.structures.harmonic_structure import (
    ENERGY_DB,
    energy_db,
    levels_at,
    nearest_peaks,
)
from musisep_cli.methods.structures.pitch_likelihood import CAP
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks

Array: TypeAlias = NDArray[np.floating[Any]]
Indices: TypeAlias = NDArray[np.int64]

Flags: TypeAlias = NDArray[np.bool_]

SHORT_S, LONG_S = 0.140, 0.325
"""Lengths of the median filters (re-implementation: 3 and 7 frames of 46 ms)."""
MOST_COMBINATIONS = 1_296
"""Of the instruments' best candidates so many are compared at most: 5 each for four of them."""
MOST_EACH = 8
"""Best candidates of every instrument that are compared."""


def second_pass(
    tried: Candidates,
    peaks: SpectralPeaks,
    weight: Array,
    count: Indices,
    known: Instruments,
    config: FirstPassConfig,
) -> Array:
    """Return the pitch of every instrument in every frame, in bins, 0 where it rests, ``[n, i]``.

    Args:
        tried: pitches of the frames.
        peaks: of the frames.
        weight: how much each of them counts, ``[n, k]``.
        count: number of tones, of the first pass, ``[n]``.
        known: the instruments.
        config: how far apart tones are.
    """
    cost = peak_costs(tried, peaks, known)  # n, i, m, k
    alone = 0.5 * np.einsum("nimk,nk->nim", cost, weight) + tried.absent_nats[:, None]
    alone = np.where(tried.allowed[:, None], alone, NEVER)
    n_instruments = alone.shape[1]
    n_each = min(MOST_EACH, int(MOST_COMBINATIONS ** (1 / n_instruments)) - 1, alone.shape[2])
    best = np.argsort(alone, 2, kind="stable")[:, :, :n_each]  # n, i, b
    # Every way to give each instrument one of its candidates or, the last number, a rest.
    ways = np.array(list(product(range(n_each + 1), repeat=n_instruments)))  # w, i
    pitch, nats = _together(cost, tried, weight, best, ways)
    nats += NEVER * ((ways < n_each).sum(1) != count[:, None])
    nats += NEVER * _too_near(pitch, config.reach_semitones)
    played: Array = pitch[np.arange(len(pitch)), nats.argmin(1)]
    return played


def _together(
    cost: Array, tried: Candidates, weight: Array, best: Indices, ways: Indices
) -> tuple[Array, Array]:
    """Return the pitches ``[n, w, i]`` of every way, 0 for rests, and its cost in nats ``[n, w]``.

    A peak costs what it costs the instrument that explains it best, as in Eq. 8.

    Args:
        cost: of every peak, ``[n, i, m, k]``.
        tried: pitches of the frames.
        weight: of every peak, ``[n, k]``.
        best: numbers of each instrument's best candidates, ``[n, i, b]``.
        ways: which of these it plays, b being a rest, ``[w, i]``.
    """
    (n_frames, n_instruments, n_each), n_ways = best.shape, len(ways)
    rows = np.arange(n_frames)[:, None]
    pitch, nats = np.zeros((n_frames, n_ways, n_instruments)), np.zeros((n_frames, n_ways))
    nearest = np.full((n_frames, n_ways, weight.shape[1]), 2 * CAP, np.float32)
    for i in range(n_instruments):
        rest = ways[:, i] == n_each
        chosen = best[:, i][:, np.minimum(ways[:, i], n_each - 1)]  # n, w
        pitch[:, :, i] = np.where(rest, 0.0, tried.f0_bins[rows, chosen])
        of_peaks = np.where(rest[:, None], 2 * CAP, cost[rows, i, chosen])  # n, w, k
        nearest = np.minimum(nearest, of_peaks)
        absent = tried.absent_nats[rows, chosen] + NEVER * ~tried.allowed[rows, chosen]
        nats += np.where(rest, 0.0, absent)
    return pitch, nats + 0.5 * np.einsum("nwk,nk->nw", nearest, weight)


def peak_costs(tried: Candidates, peaks: SpectralPeaks, known: Instruments) -> Array:
    """Return what every peak costs if an instrument plays a candidate, ``[n, i, m, k]``.

    The squared errors of Eqs. 14 and 15 in variances, each at most 4.
    """
    seen, peak = nearest_peaks(peaks, np.where(tried.allowed, tried.f0_bins, 0.0))  # n, m, h
    level = levels_at(peaks, peak)
    n_frames, n_candidates, n_peaks = tried.square.shape
    shape = (n_frames, len(known.level_db), n_candidates, n_peaks)
    costs = np.full(shape, 2 * CAP, np.float32)
    for i, (expected, has) in enumerate(zip(known.level_db, known.has, strict=True)):
        both = seen & has
        shifted = level + (ENERGY_DB - energy_db(level, both))[..., None]
        error = np.square((shifted - expected) / known.instability_db[i])  # Eq. 15
        n, m, h = both.nonzero()
        k = peak[n, m, h]
        costs[n, i, m, k] = tried.square[n, m, k] + np.minimum(error[n, m, h], CAP)  # Eq. 14
    return costs


def _too_near(pitch: Array, reach_semitones: float) -> Flags:
    """Return where two of the pitches ``[..., i]`` are the same, 0 being none, bool ``[...]``."""
    too_near = np.zeros(pitch.shape[:-1], bool)
    for i, j in combinations(range(pitch.shape[-1]), 2):
        low, high = (
            np.minimum(pitch[..., i], pitch[..., j]),
            np.maximum(pitch[..., i], pitch[..., j]),
        )
        too_near |= (low > 0) & (high < low * 2 ** (reach_semitones / 12))
    return too_near


def smoothed(f0_bins: Array, hop_s: float) -> Array:
    """Return tracks of pitches ``[n, i]``, 0 for rests, after both median filters.

    >>> track = np.array([[5.0], [5.0], [9.0], [5.0], [5.0]])
    >>> smoothed(track, 0.1).ravel().tolist()
    [5.0, 5.0, 5.0, 5.0, 5.0]
    """
    for length_s in (SHORT_S, LONG_S):
        n_frames = 2 * round(length_s / hop_s / 2) + 1
        f0_bins = median_filter(f0_bins, (n_frames, 1), mode="nearest")
    return f0_bins
