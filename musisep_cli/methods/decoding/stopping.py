"""Stopping: training on a recording ends when notes held out from it are heard no better.

Not in the paper, which trains for a given number of steps. The network learns the decoded tones of
some notes (``rehearsal``). Every few steps it is checked how improbable the decoded tones of other
notes are to it, which it does not learn. Whole notes are held out, for the frames next to a frame
are nearly the same as itself. No reference is needed, and none is used.

Axes: ``n`` frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

HELD_SHARE = 0.1
"""Least share of the frames that is held out."""
MOST_HELD = 60
"""Most frames that are checked, of those held out: a check takes as long as a training step."""
CHECK_STEPS = 20
"""Number of steps from one check to the next."""
PATIENCE = 2
"""Number of checks in a row without gain that end the training."""
LEAST_GAIN = 0.005
"""Nats per tone: a smaller gain counts as none. It makes a tone half a hundredth more probable."""


class Stopping:
    """The checks so far, and the weights that did best.

    Args:
        weights: the tensors that are trained.

    Attributes:
        losses: loss of every check, by the number of steps done before it.
        kept: number of steps after which the weights were best.
        best: the weights at that time.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = weights
        self.losses: dict[int, float] = {}
        self.kept = 0
        self.best: list[Tensor] = []

    def check(self, iteration: int, loss: float) -> None:
        """Take the loss of the frames held out after ``iteration`` steps.

        A loss that is not a number counts as the worst. The first weights are given up only for
        some that gain at least ``LEAST_GAIN``.
        """
        if math.isnan(loss):
            loss = math.inf
        first = next(iter(self.losses.values()), loss)
        if not self.losses or (loss < min(self.losses.values()) and first - loss >= LEAST_GAIN):
            self.kept, self.best = iteration, [w.detach().clone() for w in self.weights]
        self.losses[iteration] = loss

    @property
    def is_over(self) -> bool:
        """Whether the last ``PATIENCE`` checks gained less than ``LEAST_GAIN`` together."""
        losses = list(self.losses.values())
        if len(losses) <= PATIENCE:
            return False
        return min(losses[:-PATIENCE]) - min(losses) < LEAST_GAIN

    def take_best(self) -> None:
        """Set the weights to the values that did best, if there was a check."""
        if self.best:
            with torch.no_grad():
                for weight, best in zip(self.weights, self.best, strict=True):
                    weight.copy_(best)

    def state_dict(self) -> dict[str, Any]:
        """Return the checks so far and the best weights."""
        return {"losses": dict(self.losses), "kept": self.kept, "best": list(self.best)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of ``state_dict`` up again."""
        self.losses, self.kept = dict(state["losses"]), int(state["kept"])
        self.best = list(state["best"])


def held_out(passages: Tensor) -> Tensor:
    """Return which frames are held out, bool ``[n]``: passages drawn until they are enough.

    Args:
        passages: number of the passage that each frame belongs to, ``[n]``. If there is but one,
            nothing is held out.
    """
    numbers, sizes = passages.unique(return_counts=True)
    order = torch.randperm(len(numbers)).to(numbers.device)
    before = sizes[order].cumsum(0) - sizes[order]
    chosen = order[before < HELD_SHARE * len(passages)]
    chosen = chosen[: len(numbers) - 1]
    return torch.isin(passages, numbers[chosen])
