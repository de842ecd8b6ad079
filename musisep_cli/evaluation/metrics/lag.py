"""Lag: by how many samples an estimate comes later than a reference.

BSS Eval v2 allows no delay: an estimate that is one sample late may lose ten dB. The lag is the l
at which the cross-correlation of reference s and estimate x is largest in magnitude, and the
coherence is that magnitude over the norms of both:

    r[l] = sum_t s[t] x[t + l]                  (1)
    coherence = max_l |r[l]| / (|s| |x|)        (2)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BlockSource, with_margin


@dataclass(frozen=True)
class Lags:
    """Lag of every estimate behind every reference.

    Attributes:
        lag_samples: lag in samples, positive where the estimate is late, ``[i, j]``.
        coherence: Eq. (2), from 0 to 1, ``[i, j]``; 0 if one of them is silent.
        coherence_unshifted: the same at lag 0, ``[i, j]``.
    """

    lag_samples: NDArray[np.int64]
    coherence: NDArray[np.float64]
    coherence_unshifted: NDArray[np.float64]


def estimate_lags(source: BlockSource, max_lag_samples: int) -> Lags:
    """Return the lags and coherences of all pairs of references and estimates.

    Args:
        source: the signals.
        max_lag_samples: largest lag in both directions, at most the length of a block.

    >>> from musisep_cli.evaluation.metrics import array_blocks
    >>> s = np.random.default_rng(0).standard_normal((1, 500))
    >>> lags = estimate_lags(array_blocks(reference=s, estimate=np.roll(s, 7)), 20)
    >>> lags.lag_samples.tolist()
    [[7]]
    """
    correlation, norms = _cross_correlation(source, max_lag_samples)
    magnitude = np.abs(correlation)
    peak = magnitude.argmax(axis=-1)  # [i, j]
    at_peak = np.take_along_axis(magnitude, peak[..., None], axis=-1)[..., 0]
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return Lags(
        lag_samples=np.where(norms > 0, peak - max_lag_samples, 0),
        coherence=at_peak * inverse,  # Eq. (2)
        coherence_unshifted=magnitude[..., max_lag_samples] * inverse,
    )


def _cross_correlation(
    source: BlockSource, reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return r[l] for l = -reach to reach, ``[i, j, l]``, and the products |s| |x|, ``[i, j]``.

    Every block of the references is correlated with the same block of the estimates, widened by
    ``reach`` samples on both sides, as a product of their spectra. The products are summed over the
    blocks before one inverse transform.
    """
    n_fft = 0
    spectrum = reference_energy = estimate_energy = np.zeros(())
    for block in with_margin(source(), reach):
        # The first block is the longest. A transform that holds it with its margins wraps nothing
        # around; a power of two is fast.
        n_fft = n_fft or 1 << (block.estimate.shape[-1] - 1).bit_length()
        inner = slice(reach, block.reference.shape[-1] - reach)
        reference = block.reference[..., inner]
        reference_spectrum = np.fft.rfft(reference, n_fft)
        estimate_spectrum = np.fft.rfft(block.estimate, n_fft)
        # Eq. (1) of this block: the conjugate makes a correlation of the convolution.
        spectrum = spectrum + np.einsum(
            "icf,jcf->ijf", reference_spectrum.conj(), estimate_spectrum
        )
        reference_energy = reference_energy + (reference**2).sum(axis=(1, 2))
        estimate_energy = estimate_energy + (block.estimate[..., inner] ** 2).sum(axis=(1, 2))
    correlation = np.fft.irfft(spectrum, n_fft)[..., : 2 * reach + 1]
    return correlation, np.sqrt(np.outer(reference_energy, estimate_energy))
