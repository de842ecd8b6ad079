"""Assignment: which estimate belongs to which reference."""

from __future__ import annotations

import numpy as np

from musisep_cli.evaluation.metrics.bss_eval import PairScores

LARGEST_DB = 400.0
"""Stands for infinite ratios in a sum."""
TIE_WEIGHT = 1e-9
"""Weight of SDR beside SIR: it decides only where SIR does not (one reference: all SIR are inf)."""


def best_assignment(scores: PairScores) -> list[tuple[int, int]]:
    """Pairs (reference, estimate) with the greatest total SIR, in the order of the references.

    Silent signals stay out. With unequal numbers, every one of the fewer gets a partner.

    >>> from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
    >>> s = np.eye(3)
    >>> best_assignment(bss_eval_v2(array_blocks(reference=s, estimate=s[[1, 2, 0]])))
    [(0, 2), (1, 0), (2, 1)]
    """
    from scipy.optimize import linear_sum_assignment

    references = np.flatnonzero(~scores.silent_reference)
    estimates = np.flatnonzero(~scores.silent_estimate)
    worth = np.clip(scores.sir_db, -LARGEST_DB, LARGEST_DB)
    worth = worth + TIE_WEIGHT * np.clip(scores.sdr_db, -LARGEST_DB, LARGEST_DB)
    # Hungarian algorithm, cubic in the number of signals, where all orders would be n!.
    rows, columns = linear_sum_assignment(worth[np.ix_(references, estimates)], maximize=True)
    return [(int(references[i]), int(estimates[j])) for i, j in zip(rows, columns, strict=True)]
