"""Spectral peaks: where a frame's spectrum has sinusoids, how loud each is (spec, Section 1).

A frame is analysed by a Gaussian window, and of a sinusoid of amplitude A and frequency f_1 the
logarithm of its magnitude is a parabola (paper of the frame, Eq. 8):

    ln |Y[f]| = ln(A / 2) - (f - f_1)^2 / (2 sigma^2).

So the parabola through a maximum and its two neighbours is no approximation: it gives f_1 and A as
they are, at any pitch, and its second difference is -1 / sigma^2 always.

Departs from the paper: there the frames last 93 ms under a Hamming window, where the parabola is an
approximation and the bins are 11 Hz wide; here they are those of the rest of the program, of 3.9
Hz. The moving average keeps its width in Hz.

Axes: ``n`` frames, ``f`` bins, ``k`` peaks of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import SILENT_PEAK

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]

DB_PER_NAT = 20 / np.log(10)
"""Decibels of a factor e in amplitude."""
FAINTEST = 1e-12
"""Magnitudes are kept above this, so that digital silence has a logarithm."""


@dataclass(frozen=True, kw_only=True)
class PeakConfig:
    """Which local maxima of a spectrum count as peaks."""

    lowest_hz: float = 60.0
    """Peaks below this frequency are rumble (re-implementation of the paper)."""
    highest_hz: float = 20_000.0
    """Peaks above this frequency are not looked for (re-implementation)."""
    depth_db: float = 50.0
    """A peak is at most so much fainter than the frame's loudest bin (re-implementation)."""
    prominence_db: float = 8.0
    """A peak is at least so much louder than the mean level around it (re-implementation)."""
    average_hz: float = 97.0
    """Width of that mean over frequency (re-implementation: 9 bins of 10.8 Hz)."""


@dataclass(frozen=True)
class SpectralPeaks(FrameRows):
    """The peaks of some frames, in the order of their frequencies, those that are none last.

    Attributes:
        seen: whether there is a peak, bool ``[n, k]``.
        frequency_bins: where it is, 0 where there is none, ``[n, k]``.
        level_db: 20 log10 of its magnitude, 0 where there is none, ``[n, k]``.
    """

    seen: Flags
    frequency_bins: Array
    level_db: Array

    @property
    def count(self) -> NDArray[np.int64]:
        """Number of peaks of every frame, ``[n]``."""
        count: NDArray[np.int64] = self.seen.sum(1)
        return count


def spectral_peaks(magnitudes: Array, frame: GaborFrame, config: PeakConfig) -> SpectralPeaks:
    """Return the peaks of magnitude spectra ``[n, f]``.

    Args:
        magnitudes: of the frames, the bins from 0 Hz on, ``[n, f]``.
        frame: the representation.
        config: which maxima count.
    """
    nats = np.log(np.maximum(magnitudes, FAINTEST))
    is_peak = _maxima(nats) & _within(nats.shape[1], frame, config)
    is_peak &= nats >= nats.max(1, keepdims=True) - config.depth_db / DB_PER_NAT
    width_bins = 2 * round(config.average_hz / frame.bin_hz / 2) + 1
    is_peak &= nats >= moving_average(nats, width_bins) + config.prominence_db / DB_PER_NAT
    is_peak &= magnitudes > SILENT_PEAK
    rows, bins = is_peak.nonzero()
    offset, level = parabola(nats[rows, bins - 1], nats[rows, bins], nats[rows, bins + 1])
    return _by_frame(len(nats), rows, bins + offset, DB_PER_NAT * level)


def parabola(below: Array, middle: Array, above: Array) -> tuple[Array, Array]:
    """Return where the parabola through three neighbours is highest, and how high it is there.

    >>> offset, level = parabola(np.array([-1.5]), np.array([0.5]), np.array([0.5]))
    >>> float(offset[0]), float(level[0])
    (0.5, 0.75)
    """
    curvature = below - 2 * middle + above  # < 0 at a maximum
    offset = 0.5 * (below - above) / np.minimum(curvature, -np.finfo(curvature.dtype).tiny)
    offset = np.clip(offset, -0.5, 0.5)
    return offset, middle - 0.25 * (below - above) * offset


def moving_average(values: Array, width: int) -> Array:
    """Return the mean of ``values [n, f]`` over ``width`` bins around each; fewer at the borders.

    >>> moving_average(np.array([[0.0, 3.0, 6.0, 9.0]]), 3).tolist()
    [[1.5, 3.0, 6.0, 7.5]]
    """
    n_bins, reach = values.shape[1], width // 2
    sums = np.cumsum(np.pad(values.astype(np.float64), ((0, 0), (1, 0))), 1)
    middle = np.arange(n_bins)
    first, last = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, n_bins)
    mean: Array = (sums[:, last] - sums[:, first]) / (last - first)
    return mean


def _maxima(nats: Array) -> Flags:
    """Return which bins are higher than both neighbours; of two equal ones the first."""
    is_maximum = np.zeros(nats.shape, bool)
    middle = nats[:, 1:-1]
    is_maximum[:, 1:-1] = (middle > nats[:, :-2]) & (middle >= nats[:, 2:])
    return is_maximum


def _within(n_bins: int, frame: GaborFrame, config: PeakConfig) -> Flags:
    """Return which bins lie in the range where peaks are looked for, ``[f]``."""
    frequency_hz = np.arange(n_bins) * frame.bin_hz
    return (frequency_hz >= config.lowest_hz) & (frequency_hz <= config.highest_hz)


def _by_frame(
    n_frames: int, rows: NDArray[np.int64], frequency_bins: Array, level_db: Array
) -> SpectralPeaks:
    """Return peaks that are listed frame after frame as a table with a row per frame."""
    count = np.bincount(rows, minlength=n_frames)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    shape = (n_frames, max(int(count.max(initial=0)), 1))
    seen, frequencies, levels = np.zeros(shape, bool), np.zeros(shape), np.zeros(shape)
    seen[rows, place], frequencies[rows, place], levels[rows, place] = (
        True,
        frequency_bins,
        level_db,
    )
    return SpectralPeaks(seen, frequencies, levels)
