"""Alignment: which lags between stems and references are real, and what to say of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics import estimate_lags
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.evaluation.signals import Signals

LONGEST_S = 1.0
"""Lags up to this are looked for."""
LEAST_COHERENCE = 0.3
"""A stem that is less alike (SDR -10 dB) has no lag: its maximum among 1e5 lags is chance."""
LEAST_GAIN_DB = 0.1
"""A lag that improves the SDR by less is the chance of an imperfect stem, not a delay."""


def stem_lags(signals: Signals) -> tuple[int, ...]:
    """Samples by which each stem is late behind the reference it resembles most; 0 for most."""
    reach = min(round(LONGEST_S * signals.layout.sample_rate_hz), BLOCK_SAMPLES)
    reach = min(reach, signals.layout.n_samples - 1)
    lags = estimate_lags(signals.stem_blocks, reach)
    partner = lags.coherence.argmax(axis=0)
    stems = np.arange(len(partner))
    coherence = lags.coherence[partner, stems]
    gain_db = _sdr_db(coherence) - _sdr_db(lags.coherence_unshifted[partner, stems])
    real = (coherence >= LEAST_COHERENCE) & (gain_db >= LEAST_GAIN_DB)
    return tuple(np.where(real, lags.lag_samples[partner, stems], 0).tolist())


def _sdr_db(coherence: NDArray[np.float64]) -> NDArray[np.float64]:
    """SDR of an estimate that has this coherence with its reference: rho^2 / (1 - rho^2)."""
    power = np.clip(coherence**2, 1e-12, 1 - 1e-12)
    sdr_db: NDArray[np.float64] = 10 * np.log10(power / (1 - power))
    return sdr_db


def lag_notices(signals: Signals, lags_samples: Sequence[int], *, aligned: bool) -> list[str]:
    """What to say of the lags that are not 0."""
    rate = signals.layout.sample_rate_hz
    remedy = "shifted" if aligned else "the scores suffer from it; --align corrects it"
    return [
        f"{track.path}: {abs(lag)} samples ({abs(lag) / rate * 1000:.2f} ms)"
        f" {'late' if lag > 0 else 'early'}; {remedy}."
        for track, lag in zip(signals.stems, lags_samples, strict=True)
        if lag
    ]
