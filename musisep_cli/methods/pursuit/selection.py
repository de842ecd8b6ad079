"""Selection: where in a spectrum the pattern of an atom fits best what is not yet explained.

The pattern P_eta of an atom is its lifted tone with a = 1, sigma_0, b = 0. The correlation of the
lifted residual r with it, over the pattern's norm, is

    c[eta, k] = sum_s r[s] P_eta[s - k] / |P_eta|,  k = 0 .. M - 1.                       (P3)

The best place and atom become a new tone with mu = k, a = (c / |P_eta|)^(1/q), sigma_0, b = 0.

Departs from the paper: the sum is taken directly, not by FFT over 2M points. The pattern is 0 in
most places and 500 bins long, and what is not 0 is added up in a few microseconds.

Axes: ``i`` atoms, ``h`` harmonics, ``f`` bins, ``p`` bins of a pattern.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.log_axis import BINS_PER_NAT, LINE_WIDTH, REACH_WIDTHS
from musisep_cli.methods.pursuit.tone import BEND, HEIGHT, PLACE, WIDTH, add_tone

BEFORE = math.ceil(REACH_WIDTHS * LINE_WIDTH)
"""Bins of a pattern below the fundamental's own."""
_TAPS = 4
"""Bins of a pattern that are added up together: the sums are then read and written less often."""


@compiled
def pattern_bins(n_harmonics: int) -> int:
    """Return the length of a pattern of so many harmonics, in bins, a multiple of ``_TAPS``."""
    least = 2 * BEFORE + 1 + math.ceil(BINS_PER_NAT * math.log(n_harmonics))
    return _TAPS * math.ceil(least / _TAPS)


@compiled
def patterns_of(columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the patterns ``[i, p]`` of atoms ``[i, h]`` and their norms ``[i]``.

    The fundamental lies in bin ``BEFORE``. An atom of zeros has the norm 0.
    """
    n_atoms, n_harmonics = columns.shape
    patterns = np.zeros((n_atoms, pattern_bins(n_harmonics)))
    norms = np.empty(n_atoms)
    tone = np.zeros(4)
    tone[HEIGHT], tone[PLACE], tone[WIDTH], tone[BEND] = 1.0, BEFORE, LINE_WIDTH, 0.0
    for i in range(n_atoms):
        add_tone(patterns[i], tone, columns[i])
        patterns[i] = np.sqrt(patterns[i])
        norms[i] = math.sqrt(np.dot(patterns[i], patterns[i]))
    return patterns, norms


@compiled
def correlate(rest: NDArray[np.float64], pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sum_s r[s] P[s - k] for every bin k, ``[f]``: (P3) without the norm.

    Args:
        rest: r, the lifted residual, ``[f]``.
        pattern: P, its fundamental in bin ``BEFORE``, ``[p]``; p is a multiple of ``_TAPS``.
    """
    n_bins = len(rest)
    padded = np.zeros(BEFORE + n_bins + len(pattern))
    padded[BEFORE : BEFORE + n_bins] = rest
    total = np.zeros(n_bins)
    for p in range(0, len(pattern), _TAPS):
        one, two, three, four = pattern[p], pattern[p + 1], pattern[p + 2], pattern[p + 3]
        if one + two + three + four > 0:
            end = max(min(n_bins, n_bins + BEFORE - p), 0)  # beyond, the padding is 0
            near, part = padded[p : p + end + _TAPS], total[:end]
            for k in range(end):
                part[k] += (
                    one * near[k] + two * near[k + 1] + three * near[k + 2] + four * near[k + 3]
                )
    return total


@compiled
def select(
    rest: NDArray[np.float64],
    patterns: NDArray[np.float64],
    norms: NDArray[np.float64],
    n_new: int,
    tones: NDArray[np.float64],
    atoms: NDArray[np.int64],
) -> int:
    """Write the tones of the largest positive correlations and return how many there are (P3).

    Args:
        rest: r, the lifted residual, ``[f]``.
        patterns: of all atoms, ``[i, p]``.
        norms: theirs, ``[i]``.
        n_new: at most so many tones.
        tones: where (a, mu, sigma, b) go, ``[t, 4]``.
        atoms: where the atoms go, ``[t]``.
    """
    scores = np.zeros((len(patterns), len(rest)))
    for i in range(len(patterns)):
        if norms[i] > 0:
            scores[i] = correlate(rest, patterns[i]) / norms[i]
    flat = scores.ravel()
    for n in range(n_new):
        best = int(np.argmax(flat))
        if flat[best] <= 0:
            return n
        i, k = best // len(rest), best % len(rest)
        tones[n, HEIGHT] = (flat[best] / norms[i]) ** 2
        tones[n, PLACE], tones[n, WIDTH], tones[n, BEND] = k, LINE_WIDTH, 0.0
        atoms[n] = i
        flat[best] = 0.0
    return n_new
