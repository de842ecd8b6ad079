"""Small problems for sparse pursuit: planted tones, and plain formulas to compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.pursuit.log_axis import BINS_PER_NAT, LINE_WIDTH, N_BINS, REACH_WIDTHS

Array = NDArray[np.float64]


def plain_tone(tone: Array, relative: Array, n_bins: int = N_BINS) -> Array:
    """(P1), one exponential per bin and harmonic."""
    height, place, width, bend = tone
    s, h = np.arange(n_bins), np.arange(1, len(relative) + 1)
    middles = place + BINS_PER_NAT * (np.log(h) + 0.5 * np.log(1 + bend * h**2))
    distance = s - middles[:, None]
    lines = np.exp(-0.5 * (distance / width) ** 2) * (np.abs(distance) <= REACH_WIDTHS * width)
    return height * (relative[:, None] * lines).sum(0)


def plain_spectrum(tones: Array, atoms: NDArray[np.int64], columns: Array) -> Array:
    """The sum of several tones."""
    return np.sum([plain_tone(t, columns[i]) for t, i in zip(tones, atoms, strict=True)], axis=0)


def some_tones(generator: np.random.Generator, n_tones: int) -> Array:
    """Tones within their bounds, ``[t, 4]``."""
    return np.stack(
        [
            generator.uniform(0.1, 1, n_tones),
            generator.uniform(50, 500, n_tones),
            generator.uniform(0.85, 1.4, n_tones) * LINE_WIDTH,
            generator.uniform(1e-5, 1e-4, n_tones),
        ],
        1,
    )


def some_atoms(generator: np.random.Generator, n_atoms: int, n_harmonics: int = 25) -> Array:
    """Timbres without a harmonic that is missing, ``[i, h]``."""
    h = np.arange(1, n_harmonics + 1)
    columns: Array = generator.uniform(0.2, 1, (n_atoms, n_harmonics)) / h
    return columns / columns.max(1, keepdims=True)
