"""Log axis: the bins of the log-frequency spectrogram, and the Gaussian lines drawn on it.

M = 1024 bins from 20 Hz to 20,480 Hz, that is ten octaves of 102.4 bins:

    s = K ln(f / 20 Hz),  K = M / ln 1024 = 147.73.

A partial is a Gaussian line g(s; m, sigma) = exp(-(s - m)^2 / (2 sigma^2)), cut at +-6 sigma.

Axes: ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled

N_BINS = 1024
"""Bins of the log axis, M."""
LOWEST_HZ = 20.0
"""Frequency of bin 0."""
BINS_PER_NAT = N_BINS / math.log(1024.0)
"""K, bins for a factor of e in frequency: ten octaves on the axis."""
REACH_WIDTHS = 6.0
"""A line is cut at so many standard deviations: exp(-6^2 / 2) = 1.5e-8 of its height."""
LINE_WIDTH = 6.0 / math.pi
"""sigma_0 in bins: width of a stationary partial in the STFT, kept as it is on the log axis."""
NARROWEST, WIDEST = 0.8 * LINE_WIDTH, 1.5 * LINE_WIDTH
"""Bounds of a line's width in bins (authors' implementation)."""
MOST_INHARMONICITY = 2e-3
"""Upper bound of b; it moves harmonic 10 by 9.5 % (authors' implementation)."""
LINE_POINTS = 2 * math.ceil(REACH_WIDTHS * WIDEST) + 3
"""Room for the values of the widest line."""


@compiled
def line_bins(middle: float, width: float, n_bins: int) -> tuple[int, int]:
    """Return the first bin of a line and the one after its last, cut to the axis.

    The first is not below the second where the line lies outside.
    """
    first = math.ceil(min(max(middle - REACH_WIDTHS * width, 0.0), float(n_bins)))
    end = math.floor(min(max(middle + REACH_WIDTHS * width, -1.0), n_bins - 1.0)) + 1
    return first, end


@compiled
def draw_line(
    values: NDArray[np.float64], first: int, end: int, middle: float, width: float
) -> None:
    """Write g(s; middle, width) of the bins ``first`` to ``end - 1`` to the front of ``values``.

    By recurrence, three exponentials per line: g(s + 1) = g(s) r(s) with r(s + 1) = r(s) c. The
    rounding errors grow with the square of the length, to 1e-13 at most.
    """
    precision = 1.0 / (width * width)
    distance = first - middle
    value = math.exp(-0.5 * distance * distance * precision)
    ratio = math.exp(-(distance + 0.5) * precision)
    change = math.exp(-precision)
    for n in range(end - first):
        values[n] = value
        value *= ratio
        ratio *= change


@compiled
def add_line(
    spectrum: NDArray[np.float64],
    values: NDArray[np.float64],
    height: float,
    middle: float,
    width: float,
) -> None:
    """Add a line to a spectrum ``[f]``; ``values`` is room for ``LINE_POINTS`` numbers."""
    first, end = line_bins(middle, width, len(spectrum))
    if first < end:
        draw_line(values, first, end, middle, width)
        part = spectrum[first:end]
        for n in range(len(part)):
            part[n] += height * values[n]


def to_hz(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequencies of places on the log axis, of the same shape.

    >>> to_hz(np.array([0.0, 1024.0])).round(6).tolist()
    [20.0, 20480.0]
    """
    frequencies: NDArray[np.float64] = LOWEST_HZ * np.exp(bins / BINS_PER_NAT)
    return frequencies


def to_bins(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places of frequencies on the log axis, of the same shape.

    >>> to_bins(np.array([20.0, 40.0])).round(6).tolist()
    [0.0, 102.4]
    """
    places: NDArray[np.float64] = BINS_PER_NAT * np.log(hz / LOWEST_HZ)
    return places
