"""Sets: which of the atoms of a frame sound together, one tone for every instrument at most.

The measure of a frame may have more atoms than there are instruments: harmonics of a timbre that
its column does not have look like faint tones. All sets of few enough of them are compared by their
own objective (1), heights found anew,

    F(S) = min_{a >= 0}  1/2 |sum_{j in S} a_j psi_j - b|^2 + alpha sum_{j in S} a_j,

and the best are kept. Their log-probability, up to a constant, is that of the data with noise as
strong as alpha:

    log p(S) = -(F(S) - min F) / (2 alpha^2).                                                 (6)

Axes: as in the package; ``z`` all sets of few enough atoms, ``s`` those that are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musisep_cli.methods.lasso.measures import Measures, Peaked, Products, products
from musisep_cli.methods.lasso.non_negative import non_negative_lasso
from musisep_cli.methods.lasso.regularisation import Detected
from musisep_cli.methods.lasso.sliding_frank_wolfe import in_order, merged
from musisep_cli.players.hypotheses import LEAST_LOG_PROB
from musisep_cli.players.subsets import subsets, tones_of_sets
from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.tones import Tones

UNISON_BINS = 0.5
"""Atoms of different instruments this close are one tone: which of them plays it, or both, no
single frame can say."""
ROUNDS = 20
"""Of coordinate descent for every set."""


def sets_of_tones(
    detected: Detected, grid: PitchGrid, n_tones: int, n_kept: int
) -> tuple[Tensor, Tones]:
    """Return the best sets of every frame, the best first.

    Returns:
        log p, ``[n, s]``, and the tones, ``[n, s, i]``; an impossible set, where there are fewer
        than ``n_kept``, has no tones and the least log p.
    """
    found = _as_tones(detected.measures)
    inner = products(Peaked(grid, found), detected.matched)
    chosen = subsets(found.heights.shape[1], n_tones).to(found.heights.device)  # z, j
    objectives = set_objectives(inner, found.heights, detected.alpha, chosen)
    best = objectives.topk(min(n_kept, len(chosen)), 1, largest=False)
    log_prob = -(best.values - best.values[:, :1]) / (2 * detected.alpha[:, None].square())
    log_prob = log_prob.nan_to_num(LEAST_LOG_PROB).clamp(LEAST_LOG_PROB, 0.0)  # Eq. (6)
    sounding = chosen[best.indices] & (found.heights > 0)[:, None]
    return log_prob, tones_of_sets(sounding, found.pitches_bins, found.inharmonicity, n_tones)


def set_objectives(inner: Products, heights: Tensor, alpha: Tensor, chosen: Tensor) -> Tensor:
    """Return F of every set without its constant, ``[n, z]``; infinite with an atom of height 0.

    Args:
        inner: products of the atoms.
        heights: of all of them together, where the descent starts, ``[n, j]``.
        alpha: ``[n]``.
        chosen: the sets, bool ``[z, j]``.
    """
    n_frames, n_sets = len(heights), len(chosen)
    mask = chosen.to(heights.dtype).repeat(n_frames, 1)  # n z, j

    def each(values: Tensor) -> Tensor:
        return values.repeat_interleave(n_sets, 0)

    gram = each(inner.gram) * mask[:, :, None] * mask[:, None]
    part = Products(each(inner.data) * mask, gram)
    found = non_negative_lasso(
        part.gram, part.data, each(alpha), start=each(heights) * mask, n_rounds=ROUNDS
    )
    objective = part.objective(found, each(alpha)).view(n_frames, n_sets)
    missing = (heights == 0)[:, None] & chosen
    return objective.masked_fill(missing.any(-1), torch.inf)


def _as_tones(found: Measures) -> Measures:
    """Return the measures with atoms at one pitch made one, whoever plays them."""
    anyone = Measures(
        found.heights, found.pitches_bins, found.inharmonicity, torch.zeros_like(found.players)
    )
    together = merged(anyone, UNISON_BINS)
    return in_order(
        Measures(together.heights, found.pitches_bins, found.inharmonicity, found.players)
    )
