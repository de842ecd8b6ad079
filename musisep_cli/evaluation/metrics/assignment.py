"""Assignment: which estimate belongs to which reference.

The pairs maximise sum SIR + TIE_WEIGHT * SDR, a linear assignment problem. The Hungarian algorithm
solves it in a time cubic in the number of signals, where trying all orders would take n! steps.
"""

from __future__ import annotations

import numpy as np

from musisep_cli.evaluation.metrics.bss_eval import PairScores

LARGEST_DB = 400.0
"""Ratio in dB that stands for an infinite one, so that sums stay finite; above all finite ones."""
TIE_WEIGHT = 1e-9
"""Weight of SDR beside SIR: it decides only ties (with one reference every SIR is infinite)."""


def best_assignment(scores: PairScores) -> list[tuple[int, int]]:
    """Return the pairs (reference, estimate) with the greatest total SIR.

    Args:
        scores: of all pairs. Silent signals get no partner; if references and estimates differ in
            number, each of the fewer gets one.

    Returns:
        Indices i and j of every pair, in the order of the references.

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
    rows, columns = linear_sum_assignment(worth[np.ix_(references, estimates)], maximize=True)
    return [(int(references[i]), int(estimates[j])) for i, j in zip(rows, columns, strict=True)]
