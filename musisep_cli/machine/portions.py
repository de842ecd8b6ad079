"""Portions: as many frames at once as the memory of a GPU holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from musisep_cli.errors import DeviceError

Result = TypeVar("Result")


class Portions:
    """Work on frames that is divided into halves, and halves of these, until the memory suffices.

    The size that was found to fit is kept for later calls, since every failed attempt costs time.
    """

    def __init__(self) -> None:
        self.size: int | None = None  # frames at once; None before the memory has run out

    def map(self, work: Callable[[Tensor], Result], frames: Tensor) -> list[Result]:
        """Return the results of all portions of the frames, in order.

        Args:
            work: the function that is called with every portion, ``[m, ...]`` with m <= n.
            frames: at least one frame, ``[n, ...]``.

        Raises:
            DeviceError: not even one frame fits.
        """
        results: list[Result] = []
        n_done = 0
        while n_done < len(frames):
            portion = frames[n_done : n_done + (self.size or len(frames))]
            try:
                results.append(work(portion))
            except torch.OutOfMemoryError as error:
                if len(portion) == 1:
                    raise DeviceError(
                        "the GPU's memory does not hold a single frame. Close other programs that "
                        "use it, choose --preset standard, or compute with --cpu."
                    ) from error
                self.size = len(portion) // 2
            else:
                n_done += len(portion)
        return results
