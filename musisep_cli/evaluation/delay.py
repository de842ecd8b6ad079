"""Delay: where in a stem a moment of its reference lies, if another clock ran too; and undoing it.

At sample t of the reference the stem is at t (1 + d) + l: late by the lag l at the start, and by
more or less later on where its clock drifted by d. Between samples it is interpolated by a windowed
sinc.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

REACH = 32
"""Samples on each side of which one between them is made: flat to nine tenths of the band."""
OFFSETS = np.arange(-REACH + 1, REACH + 1)
"""Of those samples from the last one before it."""
_N_PARTS = 1024
"""Rows of the table of weights."""
_KAISER_BETA = 9.0
"""Side lobes 90 dB down, below the last bit of 16."""
_ROWS_AT_ONCE = 1 << 13
"""Samples that are made at once: their weights take 4 MB."""


@dataclass(frozen=True, kw_only=True)
class Delay:
    """How a stem is late.

    Attributes:
        lag_samples: by how much at its start, in samples of the layout; negative if it is early.
        drift: by how much more for every sample; 1e-4 is 0.1 ms in a second.
        inverted: whether its polarity is opposite to the reference's.
    """

    lag_samples: float = 0.0
    drift: float = 0.0
    inverted: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the same number of whole samples undoes it everywhere."""
        return self.drift == 0 and self.lag_samples == round(self.lag_samples)

    def then(self, lag_samples: float, drift: float) -> Delay:
        """The delay with what is found behind it when it has been undone.

        >>> Delay(lag_samples=10.0, drift=0.5).then(2.0, 0.0)
        Delay(lag_samples=13.0, drift=0.5, inverted=False)
        """
        return Delay(
            lag_samples=self.lag_samples + lag_samples * (1 + self.drift),
            drift=(1 + self.drift) * (1 + drift) - 1,
            inverted=self.inverted,
        )


def undone(chunks: Iterator[NDArray[np.float64]], delay: Delay) -> Iterator[NDArray[np.float64]]:
    """Chunks ``[t, c]`` of a sound as if it had not been delayed; its end follows with zeros.

    >>> ramp = [np.arange(200.0)[:, None]]
    >>> early = np.concatenate(list(undone(iter(ramp), Delay(lag_samples=2.5, drift=0.0))))
    >>> early[100:103, 0].round(2).tolist()
    [102.5, 103.5, 104.5]
    """
    held, first, n_done = None, -REACH, 0
    for chunk in chain(chunks, [None]):
        if held is None:
            if chunk is None:
                return
            held = np.zeros((REACH, chunk.shape[1]))
        tail = np.zeros((2 * REACH, held.shape[1])) if chunk is None else chunk
        held = np.concatenate([held, tail])
        # The last sample that can be made needs REACH samples behind it.
        last = (first + len(held) - REACH - 1 - delay.lag_samples) / (1 + delay.drift)
        n_ready = max(math.floor(last) + 1, n_done)
        yield _between(held, first, n_done, n_ready, delay)
        n_done = n_ready
        needed = math.floor(n_done * (1 + delay.drift) + delay.lag_samples) - REACH
        n_dropped = min(max(needed - first, 0), len(held))
        held, first = held[n_dropped:], first + n_dropped


def _between(
    held: NDArray[np.float64], first: int, start: int, end: int, delay: Delay
) -> NDArray[np.float64]:
    """Samples start to end ``[t, c]`` of the undelayed sound; before the first held are zeros."""
    made = np.zeros((end - start, held.shape[1]))
    for begin in range(start, end, _ROWS_AT_ONCE):
        t = np.arange(begin, min(begin + _ROWS_AT_ONCE, end))
        place = t * (1 + delay.drift) + delay.lag_samples
        whole = np.floor(place).astype(np.int64)
        indices = whole[:, None] + OFFSETS - first
        weights = sinc_weights(place - whole)
        weights[(indices < 0) | (indices >= len(held))] = 0
        rows = held[np.clip(indices, 0, len(held) - 1)]  # t, taps, c
        made[t - start] = np.einsum("tk,tkc->tc", weights, rows)
    return made


def sinc_weights(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """What ``2 REACH`` samples weigh in one that lies a part of a sample behind their middle.

    Sinc under Kaiser's window, from a table, between whose rows lines are drawn: 115 dB exact.

    >>> sinc_weights(np.array([0.0]))[0, REACH - 2 : REACH + 1].round(3).tolist()
    [0.0, 1.0, 0.0]
    """
    row = part * _N_PARTS
    lower = np.minimum(row.astype(np.int64), _N_PARTS - 1)
    share = (row - lower)[:, None]
    table = _table()
    weights: NDArray[np.float64] = (1 - share) * table[lower] + share * table[lower + 1]
    return weights


@cache
def _table() -> NDArray[np.float64]:
    """Weights of the samples around for every part of a sample from 0 to 1, ``[parts, taps]``."""
    distance = np.linspace(0, 1, _N_PARTS + 1)[:, None] - OFFSETS
    inside = np.sqrt(np.clip(1 - (distance / REACH) ** 2, 0, None))
    table: NDArray[np.float64] = np.sinc(distance) * np.i0(_KAISER_BETA * inside)
    return table / np.i0(_KAISER_BETA)
