"""Mixtures with their scores, for the tests of the measures."""

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics import PairScores, array_blocks, best_assignment, bss_eval_v2

ATOL_DB = 1e-6
Signals = NDArray[np.float64]


def mixture(seed: int, n_sources: int, n_samples: int = 1500) -> tuple[Signals, Signals]:
    """Correlated references and estimates with interference and artifacts, shuffled."""
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((n_sources, n_samples)) * 10 ** rng.uniform(
        -2, 0, (n_sources, 1)
    )
    reference += 0.2 * rng.standard_normal((n_sources, n_sources)) @ reference
    leak = np.eye(n_sources) + 0.2 * rng.standard_normal((n_sources, n_sources))
    noise = rng.standard_normal((n_sources, n_samples)) * reference.std()
    estimate = leak @ reference + 10 ** rng.uniform(-2, -0.5) * noise
    return reference, estimate[rng.permutation(n_sources)]


def score(reference: Signals, estimate: Signals, block_samples: int = 400) -> PairScores:
    return bss_eval_v2(
        array_blocks(reference=reference, estimate=estimate, block_samples=block_samples)
    )


def ratios(scores: PairScores) -> Signals:
    return np.stack([scores.sdr_db, scores.sir_db, scores.sar_db])


def matched(scores: PairScores) -> Signals:
    """SDR, SIR, SAR of every reference with its estimate, ``[3, i]``."""
    pairs = np.array(best_assignment(scores))
    return ratios(scores)[:, pairs[:, 0], pairs[:, 1]]
