"""Lag: by how many samples an estimate comes later than a reference.

BSS Eval v2 allows no delay, and an estimate that is one sample late may lose ten dB. The lag is
where the cross-correlation r[l] = sum_t s[t] x[t + l] is largest in magnitude; its value there,
over the norms of both signals, is the coherence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BlockSource, with_margin


@dataclass(frozen=True)
class Lags:
    """Best lag of every estimate behind every reference.

    Attributes:
        lag_samples: positive where the estimate is late, ``[i, j]``.
        coherence: magnitude of the correlation at that lag, 0 to 1, ``[i, j]``; 0 for silence.
        coherence_unshifted: the same at lag 0, ``[i, j]``.
    """

    lag_samples: NDArray[np.int64]
    coherence: NDArray[np.float64]
    coherence_unshifted: NDArray[np.float64]


def estimate_lags(source: BlockSource, max_lag_samples: int) -> Lags:
    """Lags between -max_lag_samples and max_lag_samples, which is at most the length of a block.

    >>> from musisep_cli.evaluation.metrics import array_blocks
    >>> s = np.random.default_rng(0).standard_normal((1, 500))
    >>> lags = estimate_lags(array_blocks(reference=s, estimate=np.roll(s, 7)), 20)
    >>> lags.lag_samples.tolist()
    [[7]]
    """
    correlation, norms = _cross_correlation(source, max_lag_samples)
    magnitude = np.abs(correlation)
    peak = magnitude.argmax(axis=-1)  # i, j
    at_peak = np.take_along_axis(magnitude, peak[..., None], axis=-1)[..., 0]
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return Lags(
        lag_samples=np.where(norms > 0, peak - max_lag_samples, 0),
        coherence=at_peak * inverse,
        coherence_unshifted=magnitude[..., max_lag_samples] * inverse,
    )


def _cross_correlation(
    source: BlockSource, reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """r[l] for l = -reach .. reach, ``[i, j, l]``, and the product of norms, ``[i, j]``.

    Block by block, the reference at its place is correlated with the estimate and ``reach``
    samples of its surroundings. The spectra are summed, and one inverse transform ends it.
    """
    n_fft = 0
    spectrum = reference_energy = estimate_energy = np.zeros(())
    for block in with_margin(source(), reach):
        # The first block is the longest. A transform that holds it with its margins wraps nothing
        # round; powers of two are fast.
        n_fft = n_fft or 1 << (block.estimate.shape[-1] - 1).bit_length()
        inner = slice(reach, block.reference.shape[-1] - reach)
        reference = block.reference[..., inner]
        reference_spectrum = np.fft.rfft(reference, n_fft)
        estimate_spectrum = np.fft.rfft(block.estimate, n_fft)
        spectrum = spectrum + np.einsum(
            "icf,jcf->ijf", reference_spectrum.conj(), estimate_spectrum
        )
        reference_energy = reference_energy + (reference**2).sum(axis=(1, 2))
        estimate_energy = estimate_energy + (block.estimate[..., inner] ** 2).sum(axis=(1, 2))
    correlation = np.fft.irfft(spectrum, n_fft)[..., : 2 * reach + 1]
    return correlation, np.sqrt(np.outer(reference_energy, estimate_energy))
