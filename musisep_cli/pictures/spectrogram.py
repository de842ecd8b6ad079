"""Spectrogram picture: level over time and frequency.

The levels are computed for the pixels of the picture: each pixel shows the loudest magnitude of the
frames and bins that fall into it. So an hour takes no more memory than a second, and no partial or
click gets lost between two pixels. Of several channels X_c the root of their mean power is shown,

    |X| = sqrt(sum_c |X_c|^2 / C),                                                              (1)

that of a single one where all are alike: channels of opposite polarity do not cancel.

Axes: ``t`` samples, ``c`` channels, ``n`` frames, ``f`` bins; ``y`` rows and ``x`` columns of the
picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas
from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.sound.level import decibels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale = Literal["log", "linear"]

RANGE_DB = 80.0
"""Difference in dB between the brightest and the darkest colour."""
LOWEST_HZ = 20.0
"""Lowest frequency of a logarithmic axis in Hz: below the lowest tone that is looked for, 22 Hz."""
HIGHEST_HZ = 24_000.0
"""Highest frequency that is drawn in Hz, above all that can be heard."""
_WINDOW_S = 0.1
"""Length of the analysis window in s: it tells apart partials 40 Hz and notes 50 ms apart."""
_PADDING = 1.5
"""Least length of the transform in windows: padded with zeros, so that a partial between two bins
loses little of its height."""
_FRAMES_PER_BLOCK = 128
"""Frames that are transformed at once: some ten megabytes."""
_DATA_PX = (80, 60, 1000, 490)
"""Left, bottom, width and height of the data in the picture, in pixels."""
_BAR_PX = (1100, 60, 20, 490)
"""Left, bottom, width and height of the colour bar, in pixels."""
_TICKS_HZ = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
"""Frequencies in Hz that are written beside a logarithmic axis."""
_MINOR_TICKS_HZ = [d * 10**p for p in (1, 2, 3, 4) for d in range(1, 10)]
"""Frequencies in Hz with a tick and no number."""
_COLOUR_MAP = "magma"
"""Name of matplotlib's map of colours: its brightness rises evenly with the level."""
_SILENT_DB = -190.0
"""Peak in dBFS below which a signal counts as silent, above the least level of ``decibels_of``."""


def write_spectrogram(
    path: Path,
    sound: Blockwise,
    sample_rate_hz: int,
    *,
    title: str,
    range_db: tuple[float, float] | None = None,
    scale: Scale = "log",
) -> None:
    """Write the magnitude spectrogram of a signal as a PNG of 1200 x 600 pixels.

    Args:
        path: the file to write or replace.
        sound: the signal ``[t, c]``, of any length and finite; full scale is 1.
        sample_rate_hz: samples per second.
        title: drawn above the picture as it stands.
        range_db: levels of the darkest and the brightest colour in dBFS, see `colour_range`; the
            signal's own if None. Pictures that are to be compared need the same range.
        scale: scale of the frequency axis: "log" from 20 Hz, or "linear" from 0 Hz; both end at
            half the sample rate, or at 24 kHz.

    Raises:
        OutputError: the file system refuses.
    """
    rows = _rows(sample_rate_hz, scale)
    level_db = decibels_of(loudest(sound, sample_rate_hz, rows))
    low_db, high_db = range_db or _range_below(level_db.max())
    figure = canvas.new_figure()
    figure.set_layout_engine("none")
    axes = figure.add_axes(_share(_DATA_PX))
    duration_s = sound.shape[0] / sample_rate_hz
    image = axes.imshow(
        level_db,
        cmap=_COLOUR_MAP,
        vmin=low_db,
        vmax=high_db,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0.0, duration_s, float(rows.edges[0]), float(rows.edges[-1])),
    )
    canvas.label_time(axes, duration_s)
    _label_frequency(axes, scale)
    axes.set_title(canvas.plain(title))
    bar = figure.colorbar(image, cax=figure.add_axes(_share(_BAR_PX)), extend="both")
    bar.set_label("level in dB re full scale")
    canvas.save(figure, path)


def colour_range(sound: Blockwise, sample_rate_hz: int) -> tuple[float, float]:
    """Return the levels of the darkest and the brightest colour for a signal and its stems.

    Args:
        sound: the mix ``[t, c]``, whose range serves for the pictures of all its stems.
        sample_rate_hz: samples per second.

    Returns:
        80 dB below the loudest point of the spectrogram, and that point rounded up to a whole
        decibel; both relative to a sine of amplitude 1.

    >>> colour_range(0.5 * np.sin(np.arange(8000) / 8000 * 2 * np.pi * 1000)[:, None], 8000)
    (-86.0, -6.0)
    """
    picture = loudest(sound, sample_rate_hz, _rows(sample_rate_hz))
    return _range_below(decibels_of(picture).max())


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How the bins of a spectrum become the rows of the picture.

    Attributes:
        edges: borders of the rows on the axis, in Hz or in log2 of Hz, ``[y + 1]``.
        edges_hz: the same borders in Hz.
        bin_hz: distance between two bins in Hz.
    """

    edges: NDArray[np.float64]
    edges_hz: NDArray[np.float64]
    bin_hz: float

    def loudest(self, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the magnitudes ``[n, f]`` by rows of the picture, ``[n, y]``.

        A row that holds bins shows the loudest of them. A row that lies between two bins shows the
        line between their magnitudes at its middle.
        """
        first = np.ceil(self.edges_hz / self.bin_hz).astype(np.intp)
        middle = (self.edges_hz[:-1] + self.edges_hz[1:]) / 2 / self.bin_hz
        below = middle.astype(np.intp)
        share = (middle - below).astype(np.float32)
        between = magnitude[:, below] * (1 - share) + magnitude[:, below + 1] * share
        # The highest row may hold no bin either: then nothing of what is reduced there is shown.
        end = max(first[-1], first[-2] + 1)
        maxima = np.maximum.reduceat(magnitude[:, :end], first[:-1], axis=1)
        rows: NDArray[np.float32] = np.where(np.diff(first) > 0, maxima, between)
        return rows


def _rows(sample_rate_hz: int, scale: Scale = "log") -> Rows:
    """Return the rows of a picture, of equal height on its frequency axis."""
    n_rows = _DATA_PX[3]
    top_hz = min(HIGHEST_HZ, sample_rate_hz / 2)
    if scale == "log":
        return log_rows(LOWEST_HZ, top_hz, n_rows, sample_rate_hz)
    edges = np.linspace(0.0, top_hz, n_rows + 1)
    return Rows(edges=edges, edges_hz=edges, bin_hz=sample_rate_hz / _n_fft(sample_rate_hz))


def log_rows(low_hz: float, high_hz: float, n_rows: int, sample_rate_hz: int) -> Rows:
    """Return the rows of a picture, equally many to every octave.

    Args:
        low_hz: lower edge of the lowest row.
        high_hz: upper edge of the highest row, at most half the sample rate.
        n_rows: height of the picture, in pixels.
        sample_rate_hz: samples per second of what is drawn.
    """
    edges = np.linspace(np.log2(low_hz), np.log2(high_hz), n_rows + 1)
    return Rows(edges=edges, edges_hz=2.0**edges, bin_hz=sample_rate_hz / _n_fft(sample_rate_hz))


def _n_fft(sample_rate_hz: int) -> int:
    """Return the length of the transform: the power of two that holds a padded window."""
    exponent = int(np.ceil(np.log2(_PADDING * _WINDOW_S * sample_rate_hz)))
    return 1 << exponent


def loudest(
    sound: Blockwise, sample_rate_hz: int, rows: Rows, *, n_columns: int = _DATA_PX[2]
) -> NDArray[np.float32]:
    """Return the loudest magnitude in every pixel, ``[y, x]``; a sine of amplitude 1 has 1.

    Args:
        sound: the signal ``[t, c]``; the powers of its channels are added.
        sample_rate_hz: samples per second.
        rows: the rows of the picture.
        n_columns: width of the picture, in pixels.
    """
    n_samples = sound.shape[0]
    n_window = round(_WINDOW_S * sample_rate_hz)
    window = np.hanning(n_window + 2)[1:-1]
    # Half of a sine's energy lies at the negative frequency: the factor 2 makes its peak 1.
    window = (2 * window / window.sum()).astype(np.float32)
    # Frames at most half a window apart, the same number in every column.
    n_per_column = max(1, int(np.ceil(2 * n_samples / (n_columns * n_window))))
    n_frames = n_columns * n_per_column
    centres = ((np.arange(n_frames) + 0.5) * (n_samples / n_frames)).astype(np.intp)
    picture = np.zeros((n_columns, len(rows.edges) - 1), dtype=np.float32)
    n_done = 0
    for block in _blocks(sound, centres, n_window):
        power = np.zeros((len(block), _n_fft(sample_rate_hz) // 2 + 1), np.float32)
        for channel in block.transpose(1, 0, 2):
            spectra = np.fft.rfft(channel * window, n=_n_fft(sample_rate_hz))
            power += np.square(spectra.real) + np.square(spectra.imag)
        columns = np.arange(n_done, n_done + len(block)) // n_per_column
        magnitude = np.sqrt(power / block.shape[1])  # (1)
        np.maximum.at(picture, columns, rows.loudest(magnitude))
        n_done += len(block)
    return picture.T


def _blocks(
    sound: Blockwise, centres: NDArray[np.intp], n_window: int
) -> Iterator[NDArray[np.float32]]:
    """Yield some frames at a time, ``[n, c, t]``, with silence before the start and after the end.

    Args:
        sound: the signal ``[t, c]``.
        centres: the sample in the middle of every frame, rising.
        n_window: length of a frame in samples.
    """
    for start in range(0, len(centres), _FRAMES_PER_BLOCK):
        firsts = centres[start : start + _FRAMES_PER_BLOCK] - n_window // 2
        low, high = firsts[0], firsts[-1] + n_window
        inside = sound[max(low, 0) : max(high, 0)]
        stretch = np.zeros((high - low, sound.shape[1]), dtype=np.float32)
        stretch[max(-low, 0) :][: len(inside)] = inside
        frames = np.lib.stride_tricks.sliding_window_view(stretch, n_window, axis=0)  # n, c, t
        yield frames[firsts - low]


def _range_below(peak_db: float) -> tuple[float, float]:
    """Return the range below a peak in whole decibels; below 0 dBFS for a silent signal."""
    high_db = float(np.ceil(peak_db)) if peak_db > _SILENT_DB else 0.0
    return high_db - RANGE_DB, high_db


def _share(place_px: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Return a place in pixels as shares of the figure's width and height."""
    left, bottom, width, height = place_px
    across, up = 1 / canvas.WIDTH_PX, 1 / canvas.HEIGHT_PX
    return left * across, bottom * up, width * across, height * up


def _label_frequency(axes: Axes, scale: Scale) -> None:
    """Label the frequency axis in Hz, whose unit is log2 of Hz on a logarithmic scale."""
    from matplotlib.ticker import FuncFormatter

    axes.set_ylabel("frequency in Hz")
    if scale == "linear":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda hz, _: canvas.label_hz(hz)))
        return
    low, high = axes.get_ylim()
    shown = [hz for hz in _TICKS_HZ if low <= np.log2(hz) <= high]
    axes.set_yticks(np.log2(shown), [canvas.label_hz(hz) for hz in shown])
    minor = [np.log2(hz) for hz in _MINOR_TICKS_HZ if low <= np.log2(hz) <= high]
    axes.set_yticks(minor, minor=True)
