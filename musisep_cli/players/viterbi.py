"""Viterbi: the cheapest sequence of states through all steps.

A. Viterbi, Error bounds for convolutional codes and an asymptotically optimum decoding algorithm,
IEEE Transactions on Information Theory 13(2), 1967. The least cost of reaching state p at step n is

    least[n, p] = min_q (least[n - 1, q] + transition[n - 1, q, p]) + cost[n, p],               (1)
    before[n, p] = argmin_q (least[n - 1, q] + transition[n - 1, q, p]),                        (2)

and the path is followed back from the cheapest last state:

    path[n - 1] = before[n, path[n]].                                                           (3)

Not all states need to be followed: every step has its own, which go by their numbers. Steps go
through memory a block at a time, and (2) lies in a file: an hour has a third of a million steps.

Axes: ``n`` steps, ``p`` states of a step.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import Framewise, stretches
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.compiled import compiled

Array: TypeAlias = NDArray[np.floating[Any]]

STEPS_AT_ONCE, TRANSITIONS_AT_ONCE = 8192, 2_000_000
"""Most steps, and most costs of transitions, that are held in memory at once."""


class Stretch(Protocol):
    """The states of consecutive steps."""

    @property
    def names(self) -> NDArray[np.integer[Any]]:
        """What each state goes by in the path, ``[n, p]``."""

    @property
    def costs(self) -> Array:
        """Cost of every state, ``[n, p]``."""

    @property
    def transitions(self) -> Array:
        """Costs of going from every state to every state of the next step, ``[n - 1, p, p]``."""


def cheapest_path(steps: Framewise[Stretch], before: Spool) -> tuple[NDArray[np.int64], float]:
    """Return the names of the states with the least sum of costs, ``[n]``, and that sum.

    Args:
        steps: the states of all steps.
        before: an empty spool, for (2) and the names.
    """
    first = steps[:1]
    least, (first_names,) = first.costs[0].astype(np.float64), first.names
    at_once = max(1, min(STEPS_AT_ONCE, TRANSITIONS_AT_ONCE // len(least) ** 2))
    blocks = list(stretches(len(steps) - 1, at_once))
    for block in blocks:
        stretch = steps[block.start : block.stop + 1]
        best = np.empty((block.stop - block.start, len(least)), np.int32)
        _go(least, stretch.costs[1:], stretch.transitions, best)
        before.append(np.stack([best, stretch.names[1:].astype(np.int32)], 1))
    path = np.zeros(len(steps), np.int64)
    state, cost = least.argmin(), float(least.min())
    for block in reversed(blocks):
        rows = before[block]
        for step in reversed(range(len(rows))):
            best, names = rows[step]
            path[block.start + step + 1] = names[state]
            state = best[state]  # (3)
    path[0] = first_names[state]
    return path, cost


@compiled
def _go(least: Array, costs: Array, transitions: Array, before: NDArray[np.int32]) -> None:
    """Take the steps (1) and (2) through a block.

    Args:
        least: (1) of the step before the block ``[p]``, and of its last step afterwards.
        costs: of every state of the block, ``[n, p]``.
        transitions: costs of going to every state of a step from those before, ``[n, p, p]``.
        before: what (2) is written to, ``[n, p]``.
    """
    n_steps, n_states = costs.shape
    reached = np.empty(n_states, least.dtype)
    for step in range(n_steps):
        for q in range(n_states):
            for p in range(n_states):
                cost = least[q] + transitions[step, q, p]
                if q == 0 or cost < reached[p]:
                    reached[p] = cost  # (1)
                    before[step, p] = q  # (2)
        for p in range(n_states):
            least[p] = reached[p] + costs[step, p]
