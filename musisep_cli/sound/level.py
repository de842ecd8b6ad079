"""Level: amplitudes in decibels.

An amplitude ratio r has the level 20 log10(r) dB. Relative to full scale (1.0) that is dBFS.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.floating[Any])

LEAST_AMPLITUDE = 1e-10
"""Amplitude that stands for all smaller ones: -200 dB, below the last bit of any sound file."""


def decibels(ratio: float) -> float | None:
    """Return the level of one amplitude ratio in dB, None for 0.

    >>> decibels(0.1), decibels(0.0)
    (-20.0, None)
    """
    return 20 * math.log10(ratio) if ratio > 0 else None


def decibels_of(amplitude: NDArray[Number], *, least: float = LEAST_AMPLITUDE) -> NDArray[Number]:
    """Return the levels of an array of amplitudes in dB, in the same shape and number type.

    Args:
        amplitude: amplitude ratios, of any shape; NaN stays NaN.
        least: stands for all smaller amplitudes, so that silence has a level too.

    >>> decibels_of(np.array([1.0, 0.1, 0.0])).tolist()
    [0.0, -20.0, -200.0]
    """
    level_db: NDArray[Number] = 20 * np.log10(np.maximum(amplitude, least))
    return level_db
