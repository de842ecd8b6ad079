"""Framewise: what is known of the frames of a recording, worked through a block at a time.

Whatever has a length and gives consecutive frames for a slice will do, in memory or in a file
(``spool.SpooledFrames``): an hour's frames take no more memory than a block of them.

Axes: ``n`` frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.leaves import from_leaves, leafwise, leaves

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BLOCK_FRAMES = 64
"""Number of frames explained at once: memory does not grow with the length of the recording."""

Known = TypeVar("Known")
Found = TypeVar("Found")
Other = TypeVar("Other")
Known_co = TypeVar("Known_co", covariant=True)
Derived_co = TypeVar("Derived_co", covariant=True)


class Framewise(Protocol[Known_co]):
    """Something that is known of every frame."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, frames: slice, /) -> Known_co:
        """Return that of some consecutive frames."""


class FrameRows:
    """Makes a dataclass ``Framewise`` whose ``leaves`` all have the frames as their first axis."""

    def __len__(self: DataclassInstance) -> int:
        """Number of frames."""
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, frames: Any) -> Self:
        """Return some frames: a slice, or whatever else picks rows of the leaves."""
        return leafwise(lambda values: values[frames], self)

    def beside(self, *others: Self) -> Self:
        """Return it with others of the same frames: tensors with their second axes in a row."""
        return leafwise(lambda *columns: torch.cat(columns, 1), self, *others)

    def only(self, chosen: NDArray[np.int64]) -> Self:
        """Return one entry of the second axis per frame, by ``chosen [n]``; the axis stays."""
        return self[np.arange(len(chosen))[:, None], chosen[:, None]]


@dataclass(frozen=True)
class Derived(Generic[Known, Derived_co]):
    """What follows from something known, computed for a block when it is asked for.

    >>> double = Derived([1, 2, 3], lambda values: [2 * value for value in values])
    >>> len(double), double[1:]
    (3, [4, 6])
    """

    source: Framewise[Known]
    follow: Callable[[Known], Derived_co]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.source)

    def __getitem__(self, frames: slice) -> Derived_co:
        """Return that of some consecutive frames."""
        return self.follow(self.source[frames])


@dataclass(frozen=True)
class Together(Generic[Known, Other]):
    """Two things that are known of the same frames, in pairs.

    >>> Together([1, 2, 3], [4, 5, 6])[1:]
    ([2, 3], [5, 6])
    """

    first: Framewise[Known]
    second: Framewise[Other]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.first)

    def __getitem__(self, frames: slice) -> tuple[Known, Other]:
        """Return both of some consecutive frames."""
        return self.first[frames], self.second[frames]


def stretches(n_frames: int | slice, length: int) -> Iterator[slice]:
    """Yield consecutive frames of a recording or of a part of it, at most ``length`` at a time.

    >>> list(stretches(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    part = n_frames if isinstance(n_frames, slice) else slice(0, n_frames)
    for first in range(part.start, part.stop, length):
        yield slice(first, min(first + length, part.stop))


def excerpt(n_frames: int, n_parts: int, length: int) -> list[slice]:
    """Return parts of ``length`` frames from all over a long recording, or all of a short one.

    >>> excerpt(10, 2, 3), excerpt(6, 2, 3)
    ([slice(0, 3, None), slice(7, 10, None)], [slice(0, 6, None)])
    """
    if n_frames <= n_parts * length:
        return [slice(0, n_frames)]
    # Evenly spread from the first frame to the last.
    starts = [part * (n_frames - length) // (n_parts - 1) for part in range(n_parts)]
    return [slice(start, start + length) for start in starts]


class Frames(Generic[Found]):
    """What is found in consecutive frames, added block after block, in memory.

    The whole is reserved at the first block: if blocks were joined at the end, they would be held
    twice.

    Args:
        kind: a dataclass whose ``leaves`` are tensors with the frames as their first axis.
        n_frames: number of frames of the whole recording.
    """

    def __init__(self, kind: type[Found], n_frames: int) -> None:
        self.kind = kind
        self.n_frames, self.n_done = n_frames, 0
        self.held: dict[str, Tensor] = {}

    def add(self, found: Found) -> None:
        """Take what was found in the next frames."""
        block = leaves(found)
        (n_frames,) = {len(values) for values in block.values()}
        for name, values in block.items():
            if name not in self.held:
                self.held[name] = values.new_empty(self.n_frames, *values.shape[1:])
            self.held[name][self.n_done : self.n_done + n_frames] = values
        self.n_done += n_frames

    def joined(self) -> Found:
        """Return all that was found so far."""
        done = {name: held[: self.n_done] for name, held in self.held.items()}
        return from_leaves(self.kind, done)
