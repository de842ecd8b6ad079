"""Blocks: references and estimates side by side, some seconds at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK_SAMPLES = 2**17
"""Samples of a block, about 3 s: little memory, and much work beside the cost of a call."""


class Block(NamedTuple):
    """The same samples of all signals; all blocks but the last have the same length.

    Attributes:
        reference: samples of the references, ``[i, c, t]``.
        estimate: samples of the estimates, ``[j, c, t]``.
    """

    reference: NDArray[np.float64]
    estimate: NDArray[np.float64]


BlockSource = Callable[[], Iterable[Block]]
"""A function that returns all blocks from the first one on. It can be called several times, since a
measure may need two passes."""


def array_blocks(
    *, reference: ArrayLike, estimate: ArrayLike, block_samples: int = BLOCK_SAMPLES
) -> BlockSource:
    """Cut whole arrays into blocks.

    Args:
        reference: ``[i, t]``, or with channels ``[i, c, t]``.
        estimate: ``[j, t]`` or ``[j, c, t]``, with the same channels and samples.
        block_samples: length of a block.

    Raises:
        ValueError: the shapes do not fit together.

    >>> source = array_blocks(reference=np.ones((2, 6)), estimate=np.ones((3, 6)), block_samples=4)
    >>> [(block.reference.shape, block.estimate.shape) for block in source()]
    [((2, 1, 4), (3, 1, 4)), ((2, 1, 2), (3, 1, 2))]
    """
    references, estimates = _with_channels(reference), _with_channels(estimate)
    if references.shape[1:] != estimates.shape[1:]:
        raise ValueError(
            f"references {references.shape} and estimates {estimates.shape} must agree in"
            " channels and samples"
        )

    def blocks() -> Iterator[Block]:
        for start in range(0, references.shape[-1], block_samples):
            span = slice(start, start + block_samples)
            yield Block(references[..., span], estimates[..., span])

    return blocks


def _with_channels(signals: ArrayLike) -> NDArray[np.float64]:
    """Return signals ``[i, t]`` or ``[i, c, t]`` as float64 ``[i, c, t]``."""
    array = np.asarray(signals, dtype=np.float64)
    if array.ndim not in (2, 3):
        raise ValueError(f"signals of shape {array.shape}: [i, t] or [i, c, t] is needed")
    return array if array.ndim == 3 else array[:, None]


def with_margin(blocks: Iterable[Block], margin: int) -> Iterator[Block]:
    """Widen every block by samples of its neighbours on both sides, and by zeros at the ends.

    Args:
        blocks: consecutive blocks.
        margin: samples on each side, at most the length of a block.

    >>> source = array_blocks(reference=[[1.0, 2, 3, 4, 5]], estimate=[[0.0] * 5], block_samples=2)
    >>> [block.reference[0, 0].tolist() for block in with_margin(source(), 1)]
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0], [4.0, 5.0, 0.0]]
    """
    before: Block | None = None
    current: Block | None = None
    for after in blocks:
        if current is not None:
            yield _widened(before, current, after, margin)
        before, current = current, after
    if current is not None:
        yield _widened(before, current, None, margin)


def _widened(before: Block | None, current: Block, after: Block | None, margin: int) -> Block:
    """Return a block between the end of the one before and the start of the one after it."""

    def widened(side: int) -> NDArray[np.float64]:
        middle = current[side]
        left = np.zeros((*middle.shape[:-1], margin))
        right = left.copy()
        if before is not None:
            left[:] = before[side][..., before[side].shape[-1] - margin :]
        if after is not None:
            head = after[side][..., :margin]
            right[..., : head.shape[-1]] = head
        return np.concatenate([left, middle, right], axis=-1)

    return Block(widened(0), widened(1))
