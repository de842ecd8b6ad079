"""Subsets: all sets of few enough of the tones that a detector finds in a frame.

Axes: ``z`` sets, ``k`` tones.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def subsets(n_tones: int, most: int) -> Tensor:
    """Return all sets of at most so many of the tones, bool ``[z, k]``, the empty one first.

    >>> subsets(3, 1).int().tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    chosen = [each for size in range(most + 1) for each in combinations(range(n_tones), size)]
    return torch.tensor([[k in each for k in range(n_tones)] for each in chosen])
