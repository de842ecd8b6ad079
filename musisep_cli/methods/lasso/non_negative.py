"""Non-negative LASSO: the heights of atoms that are known.

Eq. (1) of ``tones.certificate`` for fixed atoms with the Gram matrix G and the products
c_j = <psi_j, b>:

    min_{a >= 0}  1/2 a' G a - c' a + alpha sum_j a_j.                                        (3)

Coordinate descent sets one height after the other to its best value, with the others fixed:

    a_j <- max(0, c_j - alpha - sum_{k != j} G_jk a_k) / G_jj.                                (4)

Axes: ``n`` frames, ``j`` atoms.
"""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-12


def non_negative_lasso(
    gram: Tensor, data: Tensor, alpha: Tensor, *, start: Tensor, n_rounds: int
) -> Tensor:
    """Return the heights after some rounds of coordinate descent, ``[n, j]``.

    No round raises the objective. An atom whose G_jj is 0 keeps the height 0.

    Args:
        gram: G, ``[n, j, j]``.
        data: c, ``[n, j]``.
        alpha: ``[n]``.
        start: heights to begin with, ``[n, j]``.
        n_rounds: of all atoms.

    >>> one = torch.ones(1)
    >>> non_negative_lasso(
    ...     one[None, None], 3 * one[None], one, start=0 * one[None], n_rounds=1
    ... ).tolist()
    [[2.0]]
    """
    # Columns first: every step reads and writes whole rows of the memory.
    rows = gram.permute(1, 2, 0).contiguous()  # j, k, n
    pull = (data - alpha[:, None]).T.contiguous()  # j, n
    heights = start.T.contiguous()
    diagonal = rows.diagonal().T.contiguous()
    scale = torch.where(diagonal > TINY, 1 / diagonal.clamp_min(TINY), 0.0)
    for _ in range(n_rounds):
        for j in range(len(rows)):
            others = (rows[j] * heights).sum(0) - diagonal[j] * heights[j]
            heights[j] = (pull[j] - others).clamp_min(0) * scale[j]  # Eq. (4)
    return heights.T.contiguous()
