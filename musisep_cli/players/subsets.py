"""Subsets: all sets of few enough of the tones that a detector finds in a frame.

Axes: ``z`` sets, ``k`` tones, ``n`` frames, ``s`` sets of a frame, ``i`` tones of a set.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from musisep_cli.tones.tones import Tones


def subsets(n_tones: int, most: int) -> Tensor:
    """Return all sets of at most so many of the tones, bool ``[z, k]``, the empty one first.

    >>> subsets(3, 1).int().tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    chosen = [each for size in range(most + 1) for each in combinations(range(n_tones), size)]
    return torch.tensor([[k in each for k in range(n_tones)] for each in chosen])


def tones_of_sets(chosen: Tensor, f0_bins: Tensor, inharmonicity: Tensor, most: int) -> Tones:
    """Return the tones of sets, ``[n, s, i]``, rests last.

    Args:
        chosen: which tones of its frame each set has, bool ``[n, s, k]``.
        f0_bins: of the tones, ``[n, k]``.
        inharmonicity: of the tones, ``[n, k]``.
        most: tones of a set.
    """
    order = chosen.int().sort(dim=2, descending=True, stable=True).indices[..., :most]
    on = chosen.gather(2, order)

    def of_sets(values: Tensor) -> Tensor:
        spread = values[:, None].expand(-1, chosen.shape[1], -1)
        return (spread.gather(2, order) * on).float()

    return Tones(on, of_sets(f0_bins), of_sets(inharmonicity))
