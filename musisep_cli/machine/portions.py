"""Portions: as many frames at once as the GPU's memory holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from musisep_cli.errors import DeviceError

Result = TypeVar("Result")


class Portions:
    """Frames are worked on all at once until the memory is short, then in halves, and so on.

    What is found to fit is kept to: every attempt that fails costs time.
    """

    def __init__(self) -> None:
        self.size: int | None = None

    def map(self, work: Callable[[Tensor], Result], frames: Tensor) -> list[Result]:
        """Results of all portions of frames ``[n, ...]``, in order; at least one frame is given.

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
