"""Lags of short segments: how late an estimate is from moment to moment.

A clock that ran at another speed makes a lag that grows. Over the whole recording its correlation
has no peak; over a second it has, and the peaks lie on a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from musisep_cli.evaluation.metrics.blocks import BlockSource, with_margin

_FINE = np.arange(-64, 65) / 64
"""Parts of a sample at which the correlation is looked at around its peak."""
_TAPS = np.arange(-24, 25)
"""Samples of the correlation of which it is interpolated: it is as band-limited as the sounds."""


@dataclass(frozen=True, kw_only=True)
class SegmentLags:
    """Best lag of every estimate behind every reference in every segment.

    Attributes:
        centre_samples: middle of the segments, ``[k]``.
        lag_samples: positive where the estimate is late, ``[k, i, j]``.
        correlation: there, with its sign, ``[k, i, j]``.
        unshifted: correlation at lag 0, ``[k, i, j]``.
        norm: product of both norms in the segment, ``[k, i, j]``.
    """

    centre_samples: NDArray[np.float64]
    lag_samples: NDArray[np.float64]
    correlation: NDArray[np.float64]
    unshifted: NDArray[np.float64]
    norm: NDArray[np.float64]


def segment_lags(source: BlockSource, segment_samples: int, reach: int) -> SegmentLags:
    """Lags between -reach and reach, which is at most the length of a block, segment by segment.

    >>> from musisep_cli.evaluation.metrics import array_blocks
    >>> s = np.random.default_rng(0).standard_normal((1, 4000))
    >>> found = segment_lags(array_blocks(reference=s, estimate=-np.roll(s, 7)), 1000, 20)
    >>> found.lag_samples.ravel().round(1).tolist(), (found.correlation < 0).all().item()
    ([7.0, 7.0, 7.0, 7.0], True)
    """
    parts = list(_segments(source, segment_samples, reach))
    centre, lag, correlation, unshifted, norm = (
        np.array([part[number] for part in parts]) for number in range(5)
    )
    return SegmentLags(
        centre_samples=centre,
        lag_samples=lag,
        correlation=correlation,
        unshifted=unshifted,
        norm=norm,
    )


def _segments(source: BlockSource, n_segment: int, reach: int) -> Iterator[tuple[object, ...]]:
    """Centre, lag, correlation there and at 0, and norm of every segment."""
    n_fft = next_fast_len(n_segment + 2 * reach, real=True)
    n_before = 0
    for block in with_margin(source(), reach):
        n_inner = block.reference.shape[-1] - 2 * reach
        n_whole = max(n_inner // n_segment, 1)
        for edge in range(0, n_whole * n_segment, n_segment):
            inner = slice(reach + edge, min(reach + edge + n_segment, reach + n_inner))
            reference = block.reference[..., inner]
            around = block.estimate[..., inner.start - reach : inner.stop + reach]
            spectra = rfft(reference, n_fft).conj(), rfft(around, n_fft)
            curve = irfft(np.einsum("icf,jcf->ijf", *spectra), n_fft)[..., : 2 * reach + 1]
            middle = around[..., reach : around.shape[-1] - reach]
            norm = np.sqrt(np.outer((reference**2).sum((1, 2)), (middle**2).sum((1, 2))))
            lag, peak = _peaks(curve)
            centre = n_before + edge + (inner.stop - inner.start) / 2
            yield centre, lag - reach, peak, curve[..., reach], norm
        n_before += n_inner


def _peaks(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place, to parts of a sample, and value of every curve's largest magnitude, ``[i, j, l]``."""
    place = np.abs(curve).argmax(axis=-1)
    indices = place[..., None] + _TAPS
    inside = (indices >= 0) & (indices < curve.shape[-1])
    near = np.take_along_axis(curve, np.clip(indices, 0, curve.shape[-1] - 1), axis=-1) * inside
    fine = near @ np.sinc(_FINE[None, :] - _TAPS[:, None])  # i, j, fine
    best = np.abs(fine).argmax(axis=-1)
    value = np.take_along_axis(fine, best[..., None], axis=-1)[..., 0]
    return place + _FINE[best], value
