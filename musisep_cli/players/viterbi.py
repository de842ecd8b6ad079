"""Viterbi: the cheapest sequence of states through all steps.

A. Viterbi, Error bounds for convolutional codes and an asymptotically optimum decoding algorithm,
IEEE Transactions on Information Theory 13(2), 1967. The least cost of reaching state p at step n is

    least[n, p] = min_q (least[n - 1, q] + transition[n - 1, q, p]) + cost[n, p],               (1)
    before[n, p] = argmin_q (least[n - 1, q] + transition[n - 1, q, p]),                        (2)

and the path is followed back from the cheapest last state:

    path[n - 1] = before[n, path[n]].                                                           (3)

Steps go through memory a block at a time, and (2) lies in a file: an hour has a third of a million
steps.

Axes: ``n`` steps, ``p`` states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import Framewise, stretches
from musisep_cli.frames.spool import Spool

Array: TypeAlias = NDArray[np.floating[Any]]
Transitions: TypeAlias = Callable[[int, int], Array]
"""Costs of going from every state of steps ``first`` to ``last`` (exclusive) to every state of the
next step, ``[last - first, p before, p after]``."""

STEPS_AT_ONCE, TRANSITIONS_AT_ONCE = 8192, 2_000_000
"""Most steps, and most costs of transitions, that are held in memory at once."""


def cheapest_path(
    costs: Framewise[Array], transitions: Transitions, before: Spool
) -> tuple[NDArray[np.int64], float]:
    """Return the sequence of states with the least sum of costs, ``[n]``, and that sum.

    Args:
        costs: cost of every state at every step, ``[n, p]``.
        transitions: gives the costs of going from one state to another, block after block.
        before: an empty spool, for (2).

    >>> from contextlib import closing
    >>> costs = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> stay = 2.0 * (1 - np.eye(2))
    >>> with closing(Spool.temporary()) as before:
    ...     path, cost = cheapest_path(costs, lambda k, m: np.stack([stay] * (m - k)), before)
    >>> path.tolist(), cost
    ([0, 0, 0], 1.0)
    """
    least = costs[:1][0]
    at_once = max(1, min(STEPS_AT_ONCE, TRANSITIONS_AT_ONCE // len(least) ** 2))
    blocks = list(stretches(len(costs) - 1, at_once))
    for block in blocks:
        first, last = block.start, block.stop
        best = np.empty((last - first, len(least)), np.int32)
        steps = zip(costs[first + 1 : last + 1], transitions(first, last), strict=True)
        for step, (cost, transition) in enumerate(steps):
            reached = least[:, None] + transition
            best[step] = reached.argmin(0)  # (2)
            least = reached.min(0) + cost  # (1)
        before.append(best)
    path = np.zeros(len(costs), np.int64)
    path[-1] = least.argmin()
    for block in reversed(blocks):
        best = before[block]
        for step in reversed(range(len(best))):
            path[block.start + step] = best[step, path[block.start + step + 1]]  # (3)
    return path, float(least.min())
