"""Ideal ratio mask: the separation that knows the references and only masks the mixture.

It is the ceiling of all methods that mask. Every value of the short-time Fourier transform Y of the
mixture is shared out in proportion to the magnitudes of the references S_i:

    X_i = Y |S_i| / sum_k |S_k|        (1)

The window is a Hann window of about 93 ms (4096 samples at 44.1 kHz), the hop a quarter of it, and
the phase that of the mixture.

Axes: ``i`` references, ``c`` channels, ``t`` samples, ``f`` bins, ``n`` frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES, Block, with_margin

WINDOW_S = 4096 / 44100
"""Length in s that the window comes near to: its samples are the nearest power of two."""
HOPS_PER_WINDOW = 4
"""Hops in a window. A block is a whole number of hops, so that frames of blocks are also frames of
the whole recording."""


def window_samples(sample_rate_hz: int) -> int:
    """Return the length of the window in samples.

    >>> [window_samples(rate) for rate in (16000, 22050, 44100, 48000)]
    [2048, 2048, 4096, 4096]
    """
    return int(min(2 ** round(math.log2(WINDOW_S * sample_rate_hz)), BLOCK_SAMPLES))


def masked_blocks(blocks: Iterable[Block], sample_rate_hz: int) -> Iterator[Block]:
    """Mask the mixture block by block.

    Args:
        blocks: the references ``[i, c, t]``, and the mixture as the only estimate, ``[1, c, t]``;
            their length is a whole number of hops.
        sample_rate_hz: samples per second, which set the length of the window.

    Yields:
        The references, and as estimates the masked mixture of each, ``[i, c, t]``.
    """
    window = window_samples(sample_rate_hz)
    # Frames that touch a block reach up to one window beyond it. With that margin the borders of
    # blocks leave no trace.
    for block in with_margin(blocks, window):
        estimate = _mask(block.reference, block.estimate[0], window)
        inner = slice(window, block.reference.shape[-1] - window)
        yield Block(block.reference[..., inner], estimate[..., inner])


def _mask(
    reference: NDArray[np.float64], mixture: NDArray[np.float64], window: int
) -> NDArray[np.float64]:
    """Return Eq. (1) as signals ``[i, c, t]``.

    Args:
        reference: ``[i, c, t]``.
        mixture: ``[c, t]``.
        window: length of the window in samples.
    """
    from scipy.signal import istft, stft

    overlap = window - window // HOPS_PER_WINDOW
    magnitude = np.abs(stft(reference, nperseg=window, noverlap=overlap)[2])  # |S_i|, [i, c, f, n]
    spectrum = stft(mixture, nperseg=window, noverlap=overlap)[2]  # Y, [c, f, n]
    total = magnitude.sum(axis=0)
    # The fraction of Eq. (1), 0 where all references are silent.
    share = np.divide(magnitude, total, out=np.zeros_like(magnitude), where=total > 0)
    signal: NDArray[np.float64] = istft(share * spectrum, nperseg=window, noverlap=overlap)[1]
    return signal[..., : reference.shape[-1]]
