"""Blockwise: sounds that are read a block of samples at a time, from memory or from a file.

A NumPy array is such a sound, and so are ``RawFile`` and ``audio_file.Stored``, which read from the
disk: code that works block by block handles an hour in the memory of a few seconds.

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
"""Samples of a block: 5.5 s at 48 kHz, some megabytes in stereo; large enough that the cost of a
call does not count."""


class Blockwise(Protocol):
    """A sound of samples ``[t, c]`` that can be read by slices of time."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """Return the numbers of samples and channels, ``(t, c)``."""

    def __getitem__(self, block: slice, /) -> NDArray[np.floating[Any]]:
        """Return the samples of a slice of time, ``[t, c]``; its step is 1."""


class Stems(Protocol):
    """The sounds of a separation, one per instrument."""

    def __len__(self) -> int:
        """Return the number of instruments."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the stem of each instrument as a ``Blockwise`` sound."""


Shelf: TypeAlias = Callable[[Iterable[NDArray[np.float32]], tuple[int, int, int]], Stems]
"""Where stems are put while they are made: a function that takes their consecutive stretches
``[i, t, c]`` and the shape ``(i, t, c)`` of the whole, and returns the stems."""


def in_memory(
    stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Join the stretches ``[i, t, c]`` of stems to one array of the given shape in memory."""
    stems = np.empty(shape, np.float32)
    n_done = 0
    for stretch in stretches:
        stems[:, n_done : n_done + stretch.shape[1]] = stretch
        n_done += stretch.shape[1]
    return stems


@dataclass(frozen=True)
class RawFile:
    """A sound stored as bare float32 numbers, without a header, read a slice at a time.

    Attributes:
        path: the file; the channels of a sample follow one another.
        shape: numbers of samples and channels, ``(t, c)``.
    """

    path: Path
    shape: tuple[int, int]

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        """Return the samples of a slice of time, ``[t, c]``, read from the file."""
        n_samples, n_channels = self.shape
        first, end, _ = block.indices(n_samples)
        with self.path.open("rb") as stream:
            stream.seek(first * n_channels * np.dtype(np.float32).itemsize)
            samples = np.fromfile(stream, np.float32, (end - first) * n_channels)
        return samples.reshape(-1, n_channels)


def blocks(n_samples: int) -> Iterator[slice]:
    """Yield the consecutive slices of ``BLOCK_SAMPLES`` that cover a sound; the last is shorter.

    >>> list(blocks(300_000))
    [slice(0, 262144, None), slice(262144, 300000, None)]
    """
    for start in range(0, n_samples, BLOCK_SAMPLES):
        yield slice(start, min(start + BLOCK_SAMPLES, n_samples))


@dataclass(frozen=True)
class Difference:
    """A sound minus the sum of others, computed in float64 as it is read.

    Attributes:
        whole: the sound that is subtracted from, ``[t, c]``.
        parts: the sounds that are subtracted, each ``[t, c]``.
    """

    whole: Blockwise
    parts: Sequence[Blockwise]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Return the numbers of samples and channels, ``(t, c)``."""
        return self.whole.shape

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        """Return the difference in a slice of time, ``[t, c]``."""
        total = sum(part[block].astype(np.float64) for part in self.parts)
        difference: NDArray[np.float32] = (self.whole[block] - total).astype(np.float32)
        return difference


@dataclass(frozen=True)
class Total:
    """The sum of sounds, computed as it is read.

    Attributes:
        parts: the sounds, each ``[t, c]``.
    """

    parts: Sequence[Blockwise]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Return the numbers of samples and channels, ``(t, c)``."""
        return self.parts[0].shape

    def __getitem__(self, block: slice) -> NDArray[np.floating[Any]]:
        """Return the sum in a slice of time, ``[t, c]``."""
        total: NDArray[np.floating[Any]] = np.sum([part[block] for part in self.parts], axis=0)
        return total


def extremes(sound: Blockwise) -> tuple[float, float]:
    """Return the least and the greatest sample over all channels; both are NaN if any sample is.

    >>> extremes(np.array([[0.5, -2.0]], np.float32))
    (-2.0, 0.5)
    """
    found = [(sound[block].min(), sound[block].max()) for block in blocks(sound.shape[0])]
    low, high = np.array(found).T
    return float(low.min()), float(high.max())


def energy(sound: Blockwise) -> float:
    """Return the sum of the squared samples over time and channels, summed in float64.

    >>> energy(np.array([[1.0], [2.0]], np.float32))
    5.0
    """
    flat = (sound[block].ravel() for block in blocks(sound.shape[0]))
    return float(sum(np.einsum("t,t->", x, x, dtype=np.float64) for x in flat))


def mono(sound: Blockwise) -> NDArray[np.float32]:
    """Return the mean of the channels, ``[t]``."""
    mean = np.empty(sound.shape[0], np.float32)
    for block in blocks(len(mean)):
        mean[block] = sound[block].mean(axis=1)
    return mean


def sum_error(whole: Blockwise, parts: Sequence[Blockwise], gain: float = 1.0) -> float:
    """Return how far the parts are from adding up to the whole.

    Args:
        whole: a sound that is not silent, ``[t, c]``.
        parts: sounds of the same shape.
        gain: what the parts were multiplied by.

    Returns:
        The largest magnitude of sum(parts) / gain - whole, relative to the peak of the whole.

    >>> whole = np.array([[0.5], [-1.0]], np.float32)
    >>> sum_error(whole, [whole, 0.25 * whole])
    0.25
    """
    errors = []
    for block in blocks(whole.shape[0]):
        total = sum(part[block].astype(np.float64) for part in parts)
        errors.append(np.abs(total / gain - whole[block]).max())
    return float(max(errors)) / max(map(abs, extremes(whole)))
