"""Windows: a stretch of frames in groups that are each seen in a window of one length.

Frames in which a note changes are seen in a shorter window than the others, and a fit is for one
width of the peaks. So the frames of a stretch are fitted in groups, while harmonics are followed
through all of them in order of time. ``WindowFits`` translates between the two layouts.

Axes: ``n`` frames, ``i`` instruments, ``j`` harmonics of all tones of a frame, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from musisep_cli.stems.one_window import WindowFit
from musisep_cli.stems.partials import Complex

Row = TypeVar("Row")


@dataclass(frozen=True)
class WindowFits:
    """The fits of all frames of a stretch, a group of frames each.

    Attributes:
        groups: which frames of the stretch each fit is of, ``[n]`` each; together all of them.
        fits: one for every group.
    """

    groups: Sequence[Tensor]
    fits: Sequence[WindowFit]

    def __iter__(self) -> Iterator[tuple[Tensor, WindowFit]]:
        """Go through the groups' frames and fits."""
        return zip(self.groups, self.fits, strict=True)

    @cached_property
    def order(self) -> Tensor:
        """Where each frame of the stretch stands among those of all groups in a row, ``[n]``."""
        return torch.cat(list(self.groups)).argsort()

    def by_frame(self, of_fit: Callable[[WindowFit], Sequence[Row]]) -> list[Row]:
        """Return what every fit has of each of its frames, in the order of the frames."""
        in_groups = [row for fit in self.fits for row in of_fit(fit)]
        return [in_groups[n] for n in self.order.tolist()]

    def joined(self, of_fit: Callable[[WindowFit], Tensor]) -> Tensor:
        """Return tensors that every fit has of its frames as one, in the order of the frames."""
        return torch.cat([of_fit(fit) for fit in self.fits])[self.order]

    def by_window(self, coefficients: Sequence[Complex]) -> list[Tensor]:
        """Return every group's coefficients ``[n, j, c]``, from those of all frames in order."""
        return [fit.dense([coefficients[n] for n in rows.tolist()]) for rows, fit in self]

    def changed(self, fits: Iterable[WindowFit]) -> WindowFits:
        """Return the same groups with other fits."""
        return WindowFits(self.groups, list(fits))
