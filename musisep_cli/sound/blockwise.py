"""Blockwise: samples that are worked through a block at a time, wherever they lie.

An array is one, and so is a file (``audio.Stored``): an hour of sound takes no more memory than a
block of it.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 18


class Blockwise(Protocol):
    """Samples ``[t, c]``."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """``(t, c)``."""

    def __getitem__(self, block: slice, /) -> NDArray[np.floating[Any]]:
        """Some consecutive samples, ``[t, c]``."""


class Stems(Protocol):
    """One sound per instrument."""

    def __len__(self) -> int:
        """Number of instruments."""

    def __iter__(self) -> Iterator[Any]:
        """Each of them, ``Blockwise``."""


Shelf: TypeAlias = Callable[[Iterable[NDArray[np.float32]], tuple[int, int, int]], Stems]
"""Takes consecutive stretches ``[i, t, c]`` of stems, and the shape of the whole."""


def in_memory(
    stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """The shelf of who wants an array ``[i, t, c]``."""
    stems = np.empty(shape, np.float32)
    n_done = 0
    for stretch in stretches:
        stems[:, n_done : n_done + stretch.shape[1]] = stretch
        n_done += stretch.shape[1]
    return stems


@dataclass(frozen=True)
class RawFile:
    """A sound as bare float32 numbers in a file.

    Attributes:
        path: the file.
        shape: ``(t, c)``.
    """

    path: Path
    shape: tuple[int, int]

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        """Some of its samples, ``[t, c]``."""
        n_samples, n_channels = self.shape
        first, end, _ = block.indices(n_samples)
        with self.path.open("rb") as stream:
            stream.seek(first * n_channels * np.dtype(np.float32).itemsize)
            samples = np.fromfile(stream, np.float32, (end - first) * n_channels)
        return samples.reshape(-1, n_channels)


def blocks(n_samples: int) -> Iterator[slice]:
    """Consecutive stretches of a sound.

    >>> list(blocks(300_000))
    [slice(0, 262144, None), slice(262144, 300000, None)]
    """
    for start in range(0, n_samples, BLOCK_SAMPLES):
        yield slice(start, min(start + BLOCK_SAMPLES, n_samples))


@dataclass(frozen=True)
class Difference:
    """What remains of a sound when others are taken away."""

    whole: Blockwise
    parts: Sequence[Blockwise]

    @property
    def shape(self) -> tuple[Any, ...]:
        """``(t, c)``."""
        return self.whole.shape

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        """Some of its samples, ``[t, c]``."""
        total = sum(part[block].astype(np.float64) for part in self.parts)
        difference: NDArray[np.float32] = (self.whole[block] - total).astype(np.float32)
        return difference


def extremes(sound: Blockwise) -> tuple[float, float]:
    """The least and the greatest sample; a NaN if there is one.

    >>> extremes(np.array([[0.5, -2.0]], np.float32))
    (-2.0, 0.5)
    """
    found = [(sound[block].min(), sound[block].max()) for block in blocks(sound.shape[0])]
    low, high = np.array(found).T
    return float(low.min()), float(high.max())


def energy(sound: Blockwise) -> float:
    """Sum of the squares.

    >>> energy(np.array([[1.0], [2.0]], np.float32))
    5.0
    """
    flat = (sound[block].ravel() for block in blocks(sound.shape[0]))
    return float(sum(np.einsum("t,t->", x, x, dtype=np.float64) for x in flat))


def mono(sound: Blockwise) -> NDArray[np.float32]:
    """Mean of the channels, ``[t]``."""
    mean = np.empty(sound.shape[0], np.float32)
    for block in blocks(len(mean)):
        mean[block] = sound[block].mean(axis=1)
    return mean


def sum_error(whole: Blockwise, parts: Sequence[Blockwise], gain: float = 1.0) -> float:
    """Largest deviation of the parts' sum over ``gain`` from the whole, relative to its peak."""
    errors = []
    for block in blocks(whole.shape[0]):
        total = sum(part[block].astype(np.float64) for part in parts)
        errors.append(np.abs(total / gain - whole[block]).max())
    return float(max(errors)) / max(map(abs, extremes(whole)))
