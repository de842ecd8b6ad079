"""Framewise: what is known of the frames of a recording, worked through a block at a time.

In memory or in a file (``spool.SpooledFrames``), whatever has a length and gives consecutive frames
for a slice will do: an hour's frames take no more memory than a block of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Known = TypeVar("Known")
Known_co = TypeVar("Known_co", covariant=True)
Derived_co = TypeVar("Derived_co", covariant=True)


class Framewise(Protocol[Known_co]):
    """Something of every frame."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, frames: slice, /) -> Known_co:
        """That of some consecutive frames."""


class FrameRows:
    """Makes a dataclass ``Framewise``: every field has the frames as its first axis."""

    def __len__(self: DataclassInstance) -> int:
        """Number of frames."""
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, frames: slice) -> Self:
        """Some consecutive frames."""
        this: Any = self
        part: Self = replace(this, **{f.name: getattr(this, f.name)[frames] for f in fields(this)})
        return part


@dataclass(frozen=True)
class Derived(Generic[Known, Derived_co]):
    """What follows from what is known, worked out for a block when it is asked for.

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
        """That of some consecutive frames."""
        return self.follow(self.source[frames])


def stretches(n_frames: int, length: int) -> Iterator[slice]:
    """Consecutive frames, at most ``length`` at a time.

    >>> list(stretches(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for first in range(0, n_frames, length):
        yield slice(first, min(first + length, n_frames))
