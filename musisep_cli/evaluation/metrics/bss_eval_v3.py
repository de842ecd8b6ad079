"""BSS Eval v3: SDR, SIR and SAR with a filter of 512 taps as the allowed distortion.

The measure of many papers between 2006 and 2018, here through mir_eval, for comparison with them.
It forgives delays up to 511 samples and any equaliser of that length, so its figures are higher
than those of v2.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import Block, BlockSource, array_blocks
from musisep_cli.evaluation.metrics.bss_eval import PairScores, bss_eval_v2, decibels

FILTER_TAPS = 512
"""Length of the filter, fixed in mir_eval."""
PERFECT_DB = 200.0
"""A ratio above this is rounding noise: mir_eval solves a system of 512 i unknowns."""


def bss_eval_v3(source: BlockSource) -> PairScores:
    """Scores all pairs of the signals in ``source``, which are held in memory as a whole."""
    whole = _joined(source)
    # Silence and dependence are the same question for both versions, and v2 answers it.
    gains = bss_eval_v2(array_blocks(reference=whole.reference, estimate=whole.estimate))
    shape = gains.sdr_db.shape
    sdr, sir, sar = (np.full(shape, -np.inf) for _ in range(3))
    sounding = np.flatnonzero(~gains.silent_reference)
    references = _channels_in_a_row(whole.reference[sounding])
    for j in np.flatnonzero(~gains.silent_estimate) if len(sounding) else ():
        estimate = _channels_in_a_row(whole.estimate[j][None])
        sdr[sounding, j], sir[sounding, j], sar[sounding, j] = _one_estimate(references, estimate)
    return PairScores(sdr, sir, sar, gains.silent_reference, gains.silent_estimate, gains.dependent)


def _joined(source: BlockSource) -> Block:
    """All blocks as one."""
    blocks = list(source())
    if not blocks:
        raise ValueError("nothing to score: the signals have no samples")
    return Block(
        np.concatenate([block.reference for block in blocks], axis=-1),
        np.concatenate([block.estimate for block in blocks], axis=-1),
    )


def _channels_in_a_row(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signals ``[i, c, t]`` as ``[i, c (t + taps)]``.

    The zeros between the channels keep the filter of one from reaching into the next, so the fit
    is the least squares over all channels with one filter, as v2 fits one gain.
    """
    if signals.shape[1] == 1:
        return signals[:, 0]
    padded = np.pad(signals, [(0, 0), (0, 0), (0, FILTER_TAPS)])
    return padded.reshape(len(signals), -1)


def _one_estimate(
    references: NDArray[np.float64], estimate: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """SDR, SIR, SAR, each ``[i]``, of ``estimate [1, t]`` against every one of ``references``.

    mir_eval pairs equally many of both, and tries all n! orders on request. The same estimate n
    times, without the search, gives one column of the table of pairs.
    """
    from mir_eval import separation

    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # Announced for removal in mir_eval 0.9; musisep asks for an earlier one.
        warnings.simplefilter("ignore", FutureWarning)
        sdr, sir, sar, _ = separation.bss_eval_sources(
            references, np.repeat(estimate, len(references), axis=0), compute_permutation=False
        )
    return _without_noise(sdr), _without_noise(sir), _without_noise(sar)


def _without_noise(ratio_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratios with inf for those that are rounding noise."""
    energy_ratio = 10 ** (np.clip(ratio_db, -2 * PERFECT_DB, 2 * PERFECT_DB) / 10)
    rounding = np.array(10 ** (-PERFECT_DB / 10))
    return decibels(energy_ratio, np.where(ratio_db > PERFECT_DB, 0.0, 1.0), rounding)
