"""Banded: the coefficients of peaks by least squares, where most peaks are far from each other.

In order of frequency, only neighbouring peaks overlap. The matrix A = G + diag(t) of (2) of
``coefficients`` is 0 outside of a band around its diagonal, and so is its Cholesky factor L. From
the first peak r that overlaps with p on,

    L_pq = (A_pq - sum_r<q L_pr L_qr) / L_qq,   L_pp = sqrt(A_pp - sum_r<p L_pr^2).             (1)

The time grows with the number of peaks, not with its third power: 75 harmonics take a twentieth of
the time, 450 a five-hundredth.

Axes: ``k`` rows, each with peaks of its own, ``p`` peaks of a row, ``c`` channels.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.tones.peaks import NARROWEST_BINS, PEAK_REACH, POISSON_REACH

Reals: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.integer[Any]]
Complex: TypeAlias = NDArray[np.complexfloating[Any, Any]]


@compiled
def banded_coefficients(
    positions: Reals, widths: Reals, tikhonov: Reals, products: Complex, n_bins: int
) -> Complex:
    """Return c with A c = <g, v> of every row, ``[k, p, c]``.

    Peaks that neither reach into the spectrum nor overlap with any that does get 0.

    Args:
        positions: of the peaks in bins, in any order, ``[k, p]``.
        widths: sigma of all peaks of a row in bins, ``[k]``.
        tikhonov: t, ``[k, p]``.
        products: <g_p, v> in every channel, ``[k, p, c]``.
        n_bins: length of the spectra.
    """
    n_rows, n_peaks, n_channels = products.shape
    found = np.zeros((n_rows, n_peaks, n_channels), products.dtype)
    rising, weights = np.empty(n_peaks), np.empty(n_peaks)
    order = np.empty(n_peaks, np.int64)
    for k in range(n_rows):
        farthest = n_bins + 3 * reach_bins(widths[k])
        count = 0
        for p in range(n_peaks):
            if not positions[k, p] <= farthest:  # so that a NaN, which is no place, is left out too
                continue
            at = count
            while at > 0 and rising[at - 1] > positions[k, p]:
                rising[at], order[at] = rising[at - 1], order[at - 1]
                at -= 1
            rising[at], order[at] = positions[k, p], p
            count += 1
        for p in range(count):
            weights[p] = tikhonov[k, order[p]]
        factor, first = factorised(rising[:count], widths[k], weights)
        right = np.empty((2, count))
        for c in range(n_channels):
            for p in range(count):
                value = products[k, order[p], c]
                right[0, p], right[1, p] = value.real, value.imag
            solution = solved(factor, first, right)
            for p in range(count):
                found[k, order[p], c] = complex(solution[0, p], solution[1, p])
    return found


@compiled
def reach_bins(width: float) -> int:
    """Return how many bins a peak is stored to both sides, as ``peaks.Peaks`` does."""
    return math.ceil(PEAK_REACH * width) + 1


@compiled
def factorised(positions: Reals, width: float, tikhonov: Reals) -> tuple[Reals, Integers]:
    """Return the Cholesky factor (1) of A, lower triangle ``[p, p]``, and where rows begin ``[p]``.

    The inner products G are those of ``Peaks.gram``; beyond sqrt(2) ``PEAK_REACH`` widths they are
    0 in float32.

    Args:
        positions: of the peaks in bins, rising, ``[p]``.
        width: sigma of all of them in bins.
        tikhonov: t, ``[p]`` or more.
    """
    n_peaks = len(positions)
    n_terms = math.floor(POISSON_REACH / (math.pi * max(width, NARROWEST_BINS)))
    far = math.sqrt(2) * PEAK_REACH * width
    factor = np.empty((n_peaks, n_peaks))
    first = np.empty(n_peaks, np.int64)
    begin = 0
    for p in range(n_peaks):
        while positions[p] - positions[begin] > far:
            begin += 1
        first[p] = begin
        for q in range(begin, p + 1):
            distance, middle = positions[p] - positions[q], (positions[p] + positions[q]) / 2
            waves = 0.0
            for k in range(1, n_terms + 1):
                decay = math.exp(-((math.pi * k * width) ** 2))
                waves += decay * math.cos(2 * math.pi * k * (middle - round(middle)))
            smooth = width * math.sqrt(math.pi) * math.exp(-((distance / (2 * width)) ** 2))
            entry = smooth * (1 + 2 * waves)
            if p == q:
                entry += tikhonov[p]
            for r in range(begin, q):
                entry -= factor[p, r] * factor[q, r]
            factor[p, q] = math.sqrt(entry) if p == q else entry / factor[q, q]
    return factor, first


@compiled
def solved(factor: Reals, first: Integers, products: Reals) -> Reals:
    """Return c with L L^T c = <g, v>, real and imaginary part, ``[2, p]``."""
    n_peaks = len(first)
    found = np.empty((2, n_peaks))
    for part in range(2):
        for p in range(n_peaks):
            value = products[part, p]
            for q in range(first[p], p):
                value -= factor[p, q] * found[part, q]
            found[part, p] = value / factor[p, p]
        for p in range(n_peaks - 1, -1, -1):
            found[part, p] /= factor[p, p]
            for q in range(first[p], p):
                found[part, q] -= factor[p, q] * found[part, p]
    return found
