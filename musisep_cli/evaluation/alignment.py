"""Alignment: by how many samples each stem is late, and the notices that say so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics import estimate_lags
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.evaluation.signals import Signals

LONGEST_S = 1.0
"""Longest lag in s that is looked for, far above the delays of codecs and effects."""
LEAST_COHERENCE = 0.3
"""Least coherence (0 to 1) of a lag that is believed. It belongs to an SDR of -10 dB; below it, the
largest of some 1e5 correlations is chance."""
LEAST_GAIN_DB = 0.1
"""Least gain of SDR in dB by a lag that is believed: an imperfect stem gains less by chance."""


def stem_lags(signals: Signals) -> tuple[int, ...]:
    """Return by how many samples each stem is late behind the reference that it resembles most.

    Args:
        signals: the tracks of a take.

    Returns:
        One number per stem: positive if it is late, negative if early, and 0 if it is on time or
        the lag is not believed (``LEAST_COHERENCE``, ``LEAST_GAIN_DB``).
    """
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
    """Return the SDR in dB of an estimate with coherence rho to its reference.

    The best gain leaves the share rho^2 of the energy as target and the rest as distortion:
    SDR = rho^2 / (1 - rho^2).
    """
    power = np.clip(coherence**2, 1e-12, 1 - 1e-12)
    sdr_db: NDArray[np.float64] = 10 * np.log10(power / (1 - power))
    return sdr_db


def lag_notices(signals: Signals, lags_samples: Sequence[int], *, aligned: bool) -> list[str]:
    """Return a notice for every stem whose lag is not 0.

    Args:
        signals: the tracks of a take.
        lags_samples: lag of every stem.
        aligned: whether the stems are shifted by their lags before they are scored.
    """
    rate = signals.layout.sample_rate_hz
    remedy = "shifted" if aligned else "the scores suffer from it; --align corrects it"
    return [
        f"{track.path}: {abs(lag)} samples ({abs(lag) / rate * 1000:.2f} ms)"
        f" {'late' if lag > 0 else 'early'}; {remedy}."
        for track, lag in zip(signals.stems, lags_samples, strict=True)
        if lag
    ]
