"""Fit: the tones of a spectrum refined together, within their bounds.

The lifted distance, q = 1/2, delta = 1e-7, is a sum of squares:

    d(Y, y) = 1/2 sum_s rho[s]^2,  rho = (y + delta)^q - (Y + delta)^q.                  (P2)

Departs from the paper: the authors minimise (P2) by L-BFGS-B, whose overhead on a dozen unknowns is
far above the sums. Here it is Levenberg's and Marquardt's method with bounds: with the Jacobian
J = d rho / d theta = q (y + delta)^(q - 1) dy / d theta, A = J J' and g = J rho,

    (A + lambda diag A) p = -g  in the unknowns that no bound holds,                      (F1)

the step is cut to the bounds, and lambda grows until the distance falls. Instead of a its root is
unknown, in which a tone on its own is linear after the lift.
The optimum is the same to 0.1 % (tests).

Axes: ``t`` tones, ``f`` bins, ``i`` atoms, ``h`` harmonics.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.log_axis import MOST_INHARMONICITY, NARROWEST, WIDEST
from musisep_cli.methods.pursuit.tone import BEND, HEIGHT, PLACE, WIDTH, draw_derivatives

DELTA = 1e-7
"""delta, added to magnitudes before the lift: keeps the derivative of the root finite at 0."""
_FIRST_DAMPING = 1e-3
"""lambda of the first step, relative to the diagonal of A."""
_MOST_DAMPING = 1e8
"""lambda at which a fit is given up: such a step changes nothing any more."""
_SMALLEST = 1e-300
"""Keeps the diagonal off 0, where an unknown has no influence."""


@compiled
def lifted_distance(spectrum: NDArray[np.float64], lifted: NDArray[np.float64]) -> float:
    """Return d(Y, y) (P2) of a spectrum y and the lifted (Y + delta)^q, both ``[f]``."""
    total = 0.0
    for s in range(len(spectrum)):
        rho = math.sqrt(spectrum[s] + DELTA) - lifted[s]
        total += rho * rho
    return 0.5 * total


@compiled
def _linearise(
    lifted: NDArray[np.float64],
    tones: NDArray[np.float64],
    atoms: NDArray[np.int64],
    columns: NDArray[np.float64],
    normal: NDArray[np.float64],
    downhill: NDArray[np.float64],
    slopes: NDArray[np.float64],
) -> float:
    """Write A to ``normal [4 t, 4 t]``, -g to ``downhill [4 t]``, and return the distance.

    ``slopes [t, 4, f]`` is scratch.
    """
    n_tones, n_bins = len(tones), len(lifted)
    spans = np.empty((n_tones, 2), np.int64)
    spectrum = np.full(n_bins, DELTA)
    for t in range(n_tones):
        low, high = draw_derivatives(tones[t], columns[atoms[t]], slopes[t])
        spans[t, 0], spans[t, 1] = low, high
        spectrum[low:high] += tones[t, HEIGHT] * slopes[t, HEIGHT, low:high]
    rho = np.sqrt(spectrum)
    weight = 0.5 / rho  # q (y + delta)^(q - 1)
    rho -= lifted
    for t in range(n_tones):
        low, high = spans[t]
        # dy / d sqrt(a) = 2 sqrt(a) dy / da
        slopes[t, HEIGHT, low:high] *= 2 * math.sqrt(tones[t, HEIGHT]) * weight[low:high]
        for p in range(1, 4):
            slopes[t, p, low:high] *= tones[t, HEIGHT] * weight[low:high]
        for p in range(4):
            downhill[4 * t + p] = -np.dot(slopes[t, p, low:high], rho[low:high])
        for other in range(t + 1):
            first, end = max(low, spans[other, 0]), min(high, spans[other, 1])
            for p in range(4):
                for k in range(4):
                    product = 0.0
                    if first < end:
                        one, two = slopes[t, p, first:end], slopes[other, k, first:end]
                        for s in range(len(one)):
                            product += one[s] * two[s]
                    normal[4 * t + p, 4 * other + k] = product
                    normal[4 * other + k, 4 * t + p] = product
    return float(0.5 * np.dot(rho, rho))


@compiled
def _solve(
    normal: NDArray[np.float64],
    downhill: NDArray[np.float64],
    free: NDArray[np.bool_],
    damping: float,
    step: NDArray[np.float64],
) -> None:
    """Write the step p (F1) of the free unknowns to ``step``, by Cholesky; of the others 0."""
    chosen = np.flatnonzero(free)
    n = len(chosen)
    factor = np.empty((n, n))
    for j in range(n):
        for k in range(j + 1):
            total = normal[chosen[j], chosen[k]]
            if j == k:
                total += damping * total + _SMALLEST
            for m in range(k):
                total -= factor[j, m] * factor[k, m]
            if j == k:
                # Rounding may take a pivot below 0; the damping then has to grow.
                least = 1e-14 * normal[chosen[j], chosen[j]] + _SMALLEST
                factor[j, j] = math.sqrt(max(total, least))
            else:
                factor[j, k] = total / factor[k, k]
    step[:] = 0.0
    for j in range(n):
        total = downhill[chosen[j]]
        for m in range(j):
            total -= factor[j, m] * step[chosen[m]]
        step[chosen[j]] = total / factor[j, j]
    for back in range(n):
        j = n - 1 - back
        total = step[chosen[j]]
        for m in range(j + 1, n):
            total -= factor[m, j] * step[chosen[m]]
        step[chosen[j]] = total / factor[j, j]


@compiled
def _find_free(
    tones: NDArray[np.float64],
    downhill: NDArray[np.float64],
    n_bins: int,
    free: NDArray[np.bool_],
) -> None:
    """Mark the unknowns that no bound holds: those inside, and those that the distance draws in."""
    for t in range(len(tones)):
        for p in range(4):
            low, high = bounds(p, n_bins)
            value, slope = tones[t, p], downhill[4 * t + p]
            held = (value <= low and slope <= 0) or (value >= high and slope >= 0)
            free[4 * t + p] = not held


@compiled
def bounds(parameter: int, n_bins: int) -> tuple[float, float]:
    """Return between which two numbers a parameter of a tone is kept.

    Departs from the paper: mu, which is free there, stays within one axis' length of the axis,
    beyond which no harmonic is seen.
    """
    if parameter == PLACE:
        return -float(n_bins), 2.0 * n_bins
    if parameter == WIDTH:
        return NARROWEST, WIDEST
    if parameter == BEND:
        return 0.0, MOST_INHARMONICITY
    return 0.0, np.inf


@compiled
def _moved(
    tones: NDArray[np.float64], step: NDArray[np.float64], n_bins: int
) -> NDArray[np.float64]:
    """Return the tones after a step, cut to the bounds."""
    moved = np.empty_like(tones)
    for t in range(len(tones)):
        for p in range(4):
            low, high = bounds(p, n_bins)
            if p == HEIGHT:
                root = max(math.sqrt(tones[t, p]) + step[4 * t + p], 0.0)
                moved[t, p] = root * root
            else:
                moved[t, p] = min(max(tones[t, p] + step[4 * t + p], low), high)
    return moved


@compiled
def refine(
    lifted: NDArray[np.float64],
    tones: NDArray[np.float64],
    atoms: NDArray[np.int64],
    columns: NDArray[np.float64],
    n_steps: int,
    tolerance: float,
    slopes: NDArray[np.float64],
) -> float:
    """Fit all tones to a spectrum together and return the distance that is left (P2).

    Args:
        lifted: (Y + delta)^q, ``[f]``.
        tones: (a, mu, sigma, b) of each, ``[t, 4]``, updated.
        atoms: which column of the dictionary each has, ``[t]``.
        columns: D, transposed, ``[i, h]``.
        n_steps: at most so many.
        tolerance: the fit ends when a step lowers the distance by less than this part of it.
        slopes: scratch, ``[t, 4, f]``.
    """
    n_bins, n_unknowns = len(lifted), 4 * len(tones)
    normal, next_normal = np.empty((2, n_unknowns, n_unknowns))
    downhill, next_downhill, step = np.empty((3, n_unknowns))
    free = np.empty(n_unknowns, np.bool_)
    distance = _linearise(lifted, tones, atoms, columns, normal, downhill, slopes)
    damping = _FIRST_DAMPING
    for _ in range(n_steps):
        _find_free(tones, downhill, n_bins, free)
        gain = 0.0
        while damping < _MOST_DAMPING:
            _solve(normal, downhill, free, damping, step)
            moved = _moved(tones, step, n_bins)
            lower = _linearise(lifted, moved, atoms, columns, next_normal, next_downhill, slopes)
            if lower < distance:
                gain = distance - lower
                break
            damping *= 8.0
        if gain <= 0:
            break
        tones[:] = moved
        distance = lower
        normal, next_normal = next_normal, normal
        downhill, next_downhill = next_downhill, downhill
        damping *= 0.2
        if gain < tolerance * distance:
            break
    return distance
