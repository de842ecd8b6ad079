"""Ideal ratio mask: what masking the mixture could reach at best, knowing the references.

In a short-time Fourier transform, every value of the mixture Y is shared out in proportion to the
magnitudes of the references S_i:

    X_i = Y |S_i| / sum_k |S_k|

Hann window of about 93 ms (4096 samples at 44.1 kHz), hop of a quarter, the phase of the mixture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES, Block, with_margin

WINDOW_S = 4096 / 44100
"""The window's length is the power of two of samples nearest to this time."""
HOPS_PER_WINDOW = 4
"""A block is a whole number of hops, so its frames are those of the whole recording."""


def window_samples(sample_rate_hz: int) -> int:
    """Window of the transform.

    >>> [window_samples(rate) for rate in (16000, 22050, 44100, 48000)]
    [2048, 2048, 4096, 4096]
    """
    return int(min(2 ** round(math.log2(WINDOW_S * sample_rate_hz)), BLOCK_SAMPLES))


def masked_blocks(blocks: Iterable[Block], sample_rate_hz: int) -> Iterator[Block]:
    """Blocks with the masked mixture as estimates.

    Args:
        blocks: references ``[i, c, t]`` and as the one estimate the mixture, ``[1, c, t]``, in
            blocks of a whole number of hops.
        sample_rate_hz: of the samples; it sets the window.

    Yields:
        The references, and one estimate for each of them, ``[i, c, t]``.
    """
    window = window_samples(sample_rate_hz)
    # Frames that touch a block reach one window beyond it; with those, borders leave no trace.
    for block in with_margin(blocks, window):
        estimate = _mask(block.reference, block.estimate[0], window)
        inner = slice(window, block.reference.shape[-1] - window)
        yield Block(block.reference[..., inner], estimate[..., inner])


def _mask(
    reference: NDArray[np.float64], mixture: NDArray[np.float64], window: int
) -> NDArray[np.float64]:
    """The ``mixture [c, t]`` shared out to the ``reference [i, c, t]``."""
    from scipy.signal import istft, stft

    overlap = window - window // HOPS_PER_WINDOW
    magnitude = np.abs(stft(reference, nperseg=window, noverlap=overlap)[2])  # i, c, f, n
    spectrum = stft(mixture, nperseg=window, noverlap=overlap)[2]  # c, f, n
    total = magnitude.sum(axis=0)
    share = np.divide(magnitude, total, out=np.zeros_like(magnitude), where=total > 0)
    signal: NDArray[np.float64] = istft(share * spectrum, nperseg=window, noverlap=overlap)[1]
    return signal[..., : reference.shape[-1]]
