"""Stopping: training on a recording ends when notes that it does not learn are heard no better.

Not in the paper, which trains for a given number of steps. What was decoded is learned in some
notes (``training.rehearsal``) and asked for in others: every few steps, how improbable it is there.
Whole notes are held out, for the frames around a frame are nearly the same as itself. No reference
is needed, and none is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

HELD_SHARE = 0.1
"""Of the frames, at least so many are held out."""
MOST_HELD = 60
"""Of these so many are asked for, which takes as long as a training step."""
CHECK_STEPS = 20
"""Steps from one check to the next."""
PATIENCE = 2
"""Checks without gain that end the training."""
LEAST_GAIN = 0.005
"""Less is none, in nats per tone: that makes a tone half a hundredth more probable."""


class Stopping:
    """The checks so far, and the weights that did best.

    Args:
        weights: what is trained.

    Attributes:
        losses: what every check found, by the number of steps done before it.
        kept: after how many steps the weights were best.
        best: what they were then.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = weights
        self.losses: dict[int, float] = {}
        self.kept = 0
        self.best: list[Tensor] = []

    def check(self, iteration: int, loss: float) -> None:
        """The loss in what is held out, after so many steps; one that is no number is the worst.

        The first weights are left only for some that gain.
        """
        if math.isnan(loss):
            loss = math.inf
        first = next(iter(self.losses.values()), loss)
        if not self.losses or (loss < min(self.losses.values()) and first - loss >= LEAST_GAIN):
            self.kept, self.best = iteration, [w.detach().clone() for w in self.weights]
        self.losses[iteration] = loss

    @property
    def is_over(self) -> bool:
        """Whether the last checks gained next to nothing."""
        losses = list(self.losses.values())
        if len(losses) <= PATIENCE:
            return False
        return min(losses[:-PATIENCE]) - min(losses) < LEAST_GAIN

    def take_best(self) -> None:
        """Give the weights the values that did best, if there was a check."""
        if self.best:
            with torch.no_grad():
                for weight, best in zip(self.weights, self.best, strict=True):
                    weight.copy_(best)

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        return {"losses": dict(self.losses), "kept": self.kept, "best": list(self.best)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of ``state_dict`` up again."""
        self.losses, self.kept = dict(state["losses"]), int(state["kept"])
        self.best = list(state["best"])


def held_out(passages: Tensor) -> Tensor:
    """Which frames are held out, bool ``[n]``: whole passages, drawn until they are enough.

    Args:
        passages: number of the passage that each frame belongs to, ``[n]``. Of a single one nothing
            is held out.
    """
    numbers, sizes = passages.unique(return_counts=True)
    order = torch.randperm(len(numbers)).to(numbers.device)
    before = sizes[order].cumsum(0) - sizes[order]
    chosen = order[before < HELD_SHARE * len(passages)]
    chosen = chosen[: len(numbers) - 1]
    return torch.isin(passages, numbers[chosen])
