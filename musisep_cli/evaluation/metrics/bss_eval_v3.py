"""BSS Eval v3: SDR, SIR and SAR with a filter of 512 taps as the allowed distortion.

Many papers between 2006 and 2018 give this measure; here mir_eval computes it, for comparison with
them. It forgives delays of up to 511 samples and any equaliser of that length, so its figures are
higher than those of v2.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import Block, BlockSource, array_blocks
from musisep_cli.evaluation.metrics.bss_eval import PairScores, bss_eval_v2, energy_ratio_db

FILTER_TAPS = 512
"""Length of the filter in samples, which mir_eval fixes."""
PERFECT_DB = 200.0
"""Ratio in dB above which the noise is rounding error of mir_eval, which solves for 512 i unknowns:
such a ratio counts as infinite."""


def bss_eval_v3(source: BlockSource) -> PairScores:
    """Score all pairs of references and estimates, which are read into memory as a whole.

    Args:
        source: the signals.

    Returns:
        SDR, SIR and SAR of all pairs.

    Raises:
        ValueError: the signals have no samples.
    """
    whole = _joined(source)
    # Which signals are silent or dependent does not depend on the version: v2 tells.
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
    """Return all blocks joined to one."""
    blocks = list(source())
    if not blocks:
        raise ValueError("nothing to score: the signals have no samples")
    return Block(
        np.concatenate([block.reference for block in blocks], axis=-1),
        np.concatenate([block.estimate for block in blocks], axis=-1),
    )


def _channels_in_a_row(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return signals ``[i, c, t]`` with their channels one after another, ``[i, c (t + taps)]``.

    Zeros between the channels keep the filtered end of one out of the next. So mir_eval fits one
    filter to all channels by least squares, as v2 fits one gain.
    """
    if signals.shape[1] == 1:
        return signals[:, 0]
    padded = np.pad(signals, [(0, 0), (0, 0), (0, FILTER_TAPS)])
    return padded.reshape(len(signals), -1)


def _one_estimate(
    references: NDArray[np.float64], estimate: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return SDR, SIR and SAR, each ``[i]``, of one estimate against every reference.

    mir_eval scores pairs, of as many estimates as references. Given the same estimate i times, and
    not asked to search for the best order, it returns one column of the table of all pairs.

    Args:
        references: ``[i, t]``.
        estimate: ``[1, t]``.
    """
    from mir_eval import separation

    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # mir_eval warns that 0.9 will drop the module; musisep requires an earlier version.
        warnings.simplefilter("ignore", FutureWarning)
        sdr, sir, sar, _ = separation.bss_eval_sources(
            references, np.repeat(estimate, len(references), axis=0), compute_permutation=False
        )
    return _without_noise(sdr), _without_noise(sir), _without_noise(sar)


def _without_noise(ratio_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ratios with inf in place of those above ``PERFECT_DB``."""
    energy_ratio = 10 ** (np.clip(ratio_db, -2 * PERFECT_DB, 2 * PERFECT_DB) / 10)
    rounding = np.array(10 ** (-PERFECT_DB / 10))
    return energy_ratio_db(energy_ratio, np.where(ratio_db > PERFECT_DB, 0.0, 1.0), rounding)
