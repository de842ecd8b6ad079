"""Tone: the picture of a harmonic sound on the log axis, and its derivatives.

A tone (a, mu, sigma, b) of atom eta is a row of lines, the harmonics of Eq. 3 of the later paper,
f_h = f_1 h sqrt(1 + b h^2):

    y[s] = sum_tones sum_h a D[h, eta] g(s; mu_h, sigma),
    mu_h = mu + K ln h + K / 2 ln(1 + b h^2).                                           (P1)

With u = a D g per line, its derivatives are

    du/da = u / a,  du/dmu = u (s - mu_h) / sigma^2,  du/dsigma = u (s - mu_h)^2 / sigma^3,
    du/db = du/dmu K h^2 / (2 + 2 b h^2),  du/dD = a g.                                  (P4)

Axes: ``h`` harmonics, ``i`` atoms, ``f`` bins, ``t`` tones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.log_axis import (
    BINS_PER_NAT,
    LINE_POINTS,
    add_line,
    draw_line,
    line_bins,
)

HEIGHT, PLACE, WIDTH, BEND = 0, 1, 2, 3
"""Columns of an array of tones ``[t, 4]``: a, mu in bins, sigma in bins, b."""


@compiled
def harmonic_place(place: float, inharmonicity: float, harmonic: int) -> float:
    """Return mu_h of one harmonic on the log axis, in bins (P1)."""
    stretch = 1.0 + inharmonicity * harmonic**2
    return place + BINS_PER_NAT * (math.log(harmonic) + 0.5 * math.log(stretch))


@compiled
def add_tone(
    spectrum: NDArray[np.float64], tone: NDArray[np.float64], relative: NDArray[np.float64]
) -> None:
    """Add a tone ``[4]`` with relative amplitudes D ``[h]`` to a spectrum ``[f]`` (P1)."""
    values = np.empty(LINE_POINTS)
    for n in range(len(relative)):
        height = tone[HEIGHT] * relative[n]
        if height > 0:
            middle = harmonic_place(tone[PLACE], tone[BEND], n + 1)
            add_line(spectrum, values, height, middle, tone[WIDTH])


@compiled
def log_spectrum(
    tones: NDArray[np.float64], atoms: NDArray[np.int64], columns: NDArray[np.float64], n_bins: int
) -> NDArray[np.float64]:
    """Return the sum of tones ``[t, 4]`` on the log axis, ``[f]`` (P1).

    Args:
        tones: (a, mu, sigma, b) each.
        atoms: which column of the dictionary each has, ``[t]``.
        columns: D, transposed, ``[i, h]``.
        n_bins: of the axis.
    """
    spectrum = np.zeros(n_bins)
    for t in range(len(tones)):
        add_tone(spectrum, tones[t], columns[atoms[t]])
    return spectrum


@compiled
def draw_derivatives(
    tone: NDArray[np.float64], relative: NDArray[np.float64], slopes: NDArray[np.float64]
) -> tuple[int, int]:
    """Write dy/da, dy/dmu / a, dy/dsigma / a, dy/db / a of one tone to ``slopes [4, f]`` (P4).

    What depends on the height is left out: where a is 0, the derivatives are still defined.

    Returns:
        The first bin that is not 0 and the one after the last. Outside of them nothing is written.
    """
    n_bins = slopes.shape[1]
    values = np.empty(LINE_POINTS)
    width, inharmonicity = tone[WIDTH], tone[BEND]
    precision = 1.0 / (width * width)
    low, _ = line_bins(tone[PLACE], width, n_bins)
    highest = harmonic_place(tone[PLACE], inharmonicity, len(relative))
    _, high = line_bins(highest, width, n_bins)
    if low >= high:
        return 0, 0
    slopes[:, low:high] = 0.0
    for n in range(len(relative)):
        if relative[n] <= 0:
            continue
        middle = harmonic_place(tone[PLACE], inharmonicity, n + 1)
        first, end = line_bins(middle, width, n_bins)
        if first >= end:
            continue
        draw_line(values, first, end, middle, width)
        bend = BINS_PER_NAT * (n + 1) ** 2 / (2 + 2 * inharmonicity * (n + 1) ** 2)
        by_height, by_place = slopes[HEIGHT, first:end], slopes[PLACE, first:end]
        by_width, by_bend = slopes[WIDTH, first:end], slopes[BEND, first:end]
        for s in range(end - first):
            distance = first - middle + s
            line = relative[n] * values[s]
            move = line * distance * precision
            by_height[s] += line
            by_place[s] += move
            by_width[s] += move * distance / width
            by_bend[s] += move * bend
    return low, high


@compiled
def add_atom_gradient(
    gradient: NDArray[np.float64], tone: NDArray[np.float64], error: NDArray[np.float64]
) -> None:
    """Add dL/dD ``[h]`` of one tone's atom: sum_s e a g, with e = dL/dy, ``[f]`` (P4)."""
    values = np.empty(LINE_POINTS)
    for n in range(len(gradient)):
        middle = harmonic_place(tone[PLACE], tone[BEND], n + 1)
        first, end = line_bins(middle, tone[WIDTH], len(error))
        if first < end:
            draw_line(values, first, end, middle, tone[WIDTH])
            total = 0.0
            near = error[first:end]
            for s in range(len(near)):
                total += near[s] * values[s]
            gradient[n] += tone[HEIGHT] * total
