"""Octaves: the best set of a frame once more, with one of its tones an octave off.

The surest errors of any detector of pitch are octaves, of tones with a weak fundamental above all.

Axes: ``n`` frames, ``s`` sets of a frame, ``i`` tones of a set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musisep_cli.players.hypotheses import LEAST_LOG_PROB
from musisep_cli.tones.tones import Tones


def with_octaves(
    log_prob: Tensor, tones: Tones, nats: float, lowest_bins: float
) -> tuple[Tensor, Tones]:
    """Return the sets and, behind them, the first one with each tone an octave lower and higher.

    A rest has no octave: with one, the set is the first once more, and so much less probable.

    Args:
        log_prob: of the sets, ``[n, s]``.
        tones: of the sets, ``[n, s, i]``.
        nats: how much less probable a set with an octave is.
        lowest_bins: no tone goes lower.
    """
    n_tones = tones.on.shape[2]
    factors = torch.ones(2 * n_tones, n_tones, device=log_prob.device)
    for tone in range(n_tones):
        factors[2 * tone, tone], factors[2 * tone + 1, tone] = 0.5, 2.0
    best = Tones(*(values[:, :1].expand(-1, 2 * n_tones, -1) for values in vars(tones).values()))
    f0_bins = (best.f0_bins * factors).clamp_min(lowest_bins) * best.on
    moved = Tones(best.on, f0_bins, best.inharmonicity)
    less = (log_prob[:, :1] - nats).expand(-1, 2 * n_tones).clamp_min(LEAST_LOG_PROB)
    return torch.cat([log_prob, less], 1), tones.beside(moved)
