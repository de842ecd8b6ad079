"""Inharmonic: how much of a sound lies in partials that are no multiples of a fundamental.

A string or a column of air has partials at multiples of one frequency, and so have the tones that
are looked for. Bars, bells and plates have not: those of a free bar lie at 1 : 2.76 : 5.40. In a
frame whose peaks have the energies E_p, harmonic series are taken away one after another, each time
the one with most energy, and the rest is

    r = sum_{p of no series} E_p / sum_p E_p,                                                   (1)

or 0 where less than two peaks are left: a single one is a tone without overtones. To be a series,
peaks must fill more than half of the numbers up to the highest, all of them or the odd ones, and be
three or, with the fundamental, two: any two partials are multiples of something.

Axes: ``p`` peaks, ``q`` candidates for a fundamental, ``h`` numbers of harmonics.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
PEAK_DB = -30.0
"""Level in dB, relative to the frame's highest peak, below which a peak does not count."""
NEAR_HZ, NEAR_RATIO = 60.0, 4.0
"""A peak within so many Hz of another that is so many times higher is a side of it."""
LOWEST_HZ, N_SUBHARMONICS, N_HARMONICS = 25.0, 5, 25
"""A fundamental is tried at 1/1 to 1/5 of every peak, not below 25 Hz; so many harmonics count."""
TOLERANCE, LEAST_TOLERANCE_HZ, MOST_TOLERANCE = 0.012, 5.0, 0.2
"""Distance at which a peak still is a harmonic, relative to its frequency: a fifth of a semitone,
as far as strings spread theirs; at least so many Hz, the resolution of the window, and at most that
share of the fundamental."""
LEAST_FILLED = 0.55
"""Share of the numbers up to the highest harmonic that a series must fill."""
MOST_SERIES = 8
"""Number of series after which no more are taken away."""


def inharmonic_share(frequency_hz: Floats, magnitude: Floats) -> float:
    """Return (1), the share of a frame's energy in partials of no series, 0 to 1.

    Args:
        frequency_hz: of the frame's peaks, ``[p]``.
        magnitude: of the peaks, ``[p]``.

    >>> inharmonic_share(np.array([500.0, 1000.0, 1500.0]), np.ones(3))
    0.0
    >>> inharmonic_share(np.array([500.0, 1380.0, 2700.0]), np.ones(3))
    1.0
    """
    counts = _counting(frequency_hz, magnitude)
    frequency_hz, energy = frequency_hz[counts], magnitude[counts] ** 2
    left = np.ones(len(energy), bool)
    for _ in range(MOST_SERIES):
        found = _strongest_series(frequency_hz, energy, left)
        if found is None:
            break
        left &= ~found
    return float(energy[left].sum() / energy.sum()) if left.sum() >= 2 else 0.0


def _counting(frequency_hz: Floats, magnitude: Floats) -> NDArray[np.bool_]:
    """Return which peaks count: neither faint nor the side of a much higher one, ``[p]``."""
    loud = magnitude > magnitude.max(initial=0.0) * 10 ** (PEAK_DB / 20)
    near = np.abs(frequency_hz[:, None] - frequency_hz) < NEAR_HZ
    beside = (near & (NEAR_RATIO * magnitude[:, None] < magnitude)).any(1)
    return np.asarray(loud & ~beside)


def _strongest_series(
    frequency_hz: Floats, energy: Floats, left: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Return the peaks of the series with most energy among those left, ``[p]``; None if none."""
    tried = (frequency_hz[left][:, None] / np.arange(1, N_SUBHARMONICS + 1)).ravel()
    tried = tried[tried > LOWEST_HZ][:, None]
    if not len(tried):
        return None
    number = np.rint(frequency_hz / tried).astype(np.intp)  # q, p
    tolerance_hz = np.maximum(TOLERANCE * frequency_hz, LEAST_TOLERANCE_HZ)
    is_near = np.abs(frequency_hz - number * tried) < np.minimum(
        tolerance_hz, MOST_TOLERANCE * tried
    )
    matches = left & is_near & (number >= 1) & (number <= N_HARMONICS)
    filled = np.zeros((len(tried), N_HARMONICS + 1), bool)  # q, h
    candidates, peaks = matches.nonzero()
    filled[candidates, number[candidates, peaks]] = True
    n_filled, highest = filled.sum(1), (filled * np.arange(N_HARMONICS + 1)).max(1)
    of_all = n_filled / np.maximum(highest, 1)
    of_odd = filled[:, 1::2].sum(1) / np.maximum((highest + 1) // 2, 1)
    enough = (n_filled >= 3) | ((n_filled == 2) & filled[:, 1])
    is_series = enough & (np.maximum(of_all, of_odd) >= LEAST_FILLED)
    if not is_series.any():
        return None
    best = np.where(is_series, matches @ energy, -1.0).argmax()
    return np.asarray(matches[best])
