"""Spectrogram: level over time and frequency.

The picture is computed at the resolution of the screen: one column and one row per pixel, each
the loudest of what falls into it. So an hour takes no more memory than a second, and no partial
or click gets lost between two pixels.

Axes of arrays: `t` samples, `n` frames, `f` bins; `y` rows and `x` columns of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Samples = NDArray[np.floating[Any]]
Scale = Literal["log", "linear"]

RANGE_DB = 80.0
LOWEST_HZ = 40.0
HIGHEST_HZ = 24_000.0  # recordings of 96 kHz and more hold nothing to be heard above

# The window: partials 40 Hz apart stay apart, notes of 50 ms too.
_WINDOW_S = 0.1
# Zero padding, so that the bins trace the window's spectrum and not only sample it.
_PADDING = 1.5
_FRAMES_PER_BLOCK = 128

# Place of the data and of the colour bar in the picture: left, bottom, width, height.
_DATA_PX = (80, 60, 1000, 490)
_BAR_PX = (1100, 60, 20, 490)
_TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_MINOR_TICKS_HZ = [d * 10**p for p in (1, 2, 3, 4) for d in range(1, 10)]
_COLOUR_MAP = "magma"


def write_spectrogram(
    path: Path,
    samples: Samples,
    sample_rate_hz: int,
    *,
    title: str,
    range_db: tuple[float, float] | None = None,
    scale: Scale = "log",
) -> None:
    """Write the magnitude spectrogram of a signal as a PNG of 1200 x 600 pixels.

    Args:
        path: The file to write or replace.
        samples: [t], of any length; finite.
        sample_rate_hz: Samples per second.
        title: Drawn above, as it stands.
        range_db: Levels of the darkest and the brightest colour, see `colour_range`; the signal's
            own if None. Pictures that are to be compared need one range.
        scale: Of the frequency axis: from 40 Hz logarithmic, or from 0 linear; both up to half
            the sample rate, or to 24 kHz.

    Raises:
        OutputError: The file system refuses.
    """
    rows = _rows(sample_rate_hz, scale)
    level_db = _decibels(_loudest(samples, sample_rate_hz, rows))
    low_db, high_db = range_db or _range_below(level_db.max())
    figure = canvas.new_figure()
    figure.set_layout_engine("none")
    axes = figure.add_axes(_share(_DATA_PX))
    duration_s = len(samples) / sample_rate_hz
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


def colour_range(samples: Samples, sample_rate_hz: int) -> tuple[float, float]:
    """Levels of the darkest and the brightest colour: 80 dB down from the loudest point.

    Args:
        samples: The mix [t]; its range is for the pictures of all its stems.
        sample_rate_hz: Samples per second.

    Returns:
        Both levels in dB re full scale, a sine of amplitude 1.

    >>> colour_range(0.5 * np.sin(np.arange(8000) / 8000 * 2 * np.pi * 1000), 8000)
    (-86.0, -6.0)
    """
    return _range_below(_decibels(_loudest(samples, sample_rate_hz, _rows(sample_rate_hz))).max())


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """How the bins of a spectrum become rows of the picture.

    Attributes:
        edges: [y + 1] on the axis: log2 of Hz, or Hz.
        edges_hz: [y + 1].
        bin_hz: Distance of two bins.
    """

    edges: NDArray[np.float64]
    edges_hz: NDArray[np.float64]
    bin_hz: float

    def loudest(self, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
        """Magnitudes [n, f] as [n, y].

        A row that holds bins shows the loudest; one between two bins what lies between them.
        """
        first = np.ceil(self.edges_hz / self.bin_hz).astype(np.intp)
        middle = (self.edges_hz[:-1] + self.edges_hz[1:]) / 2 / self.bin_hz
        below = middle.astype(np.intp)
        share = (middle - below).astype(np.float32)
        between = magnitude[:, below] * (1 - share) + magnitude[:, below + 1] * share
        maxima = np.maximum.reduceat(magnitude[:, : first[-1]], first[:-1], axis=1)
        rows: NDArray[np.float32] = np.where(np.diff(first) > 0, maxima, between)
        return rows


def _rows(sample_rate_hz: int, scale: Scale = "log") -> _Rows:
    n_rows = _DATA_PX[3]
    top_hz = min(HIGHEST_HZ, sample_rate_hz / 2)
    if scale == "log":
        edges = np.linspace(np.log2(LOWEST_HZ), np.log2(top_hz), n_rows + 1)
        edges_hz = 2.0**edges
    else:
        edges = edges_hz = np.linspace(0.0, top_hz, n_rows + 1)
    return _Rows(edges=edges, edges_hz=edges_hz, bin_hz=sample_rate_hz / _n_fft(sample_rate_hz))


def _n_fft(sample_rate_hz: int) -> int:
    """The power of two that holds a window and its padding."""
    exponent = int(np.ceil(np.log2(_PADDING * _WINDOW_S * sample_rate_hz)))
    return 1 << exponent


def _loudest(samples: Samples, sample_rate_hz: int, rows: _Rows) -> NDArray[np.float32]:
    """The picture [y, x] as magnitudes; a sine of amplitude 1 has 1."""
    n_columns = _DATA_PX[2]
    n_window = round(_WINDOW_S * sample_rate_hz)
    window = np.hanning(n_window + 2)[1:-1]
    window = (2 * window / window.sum()).astype(np.float32)
    # Frames at most half a window apart, and as many in every column.
    n_per_column = max(1, int(np.ceil(2 * len(samples) / (n_columns * n_window))))
    n_frames = n_columns * n_per_column
    centres = ((np.arange(n_frames) + 0.5) * (len(samples) / n_frames)).astype(np.intp)
    picture = np.zeros((n_columns, len(rows.edges) - 1), dtype=np.float32)
    n_done = 0
    for block in _blocks(samples, centres, n_window):
        spectra = np.fft.rfft(block * window, n=_n_fft(sample_rate_hz))
        columns = np.arange(n_done, n_done + len(block)) // n_per_column
        np.maximum.at(picture, columns, rows.loudest(np.abs(spectra)))
        n_done += len(block)
    return picture.T


def _blocks(
    samples: Samples, centres: NDArray[np.intp], n_window: int
) -> Iterator[NDArray[np.float32]]:
    """Some frames [n, t] at a time, with silence before the start and after the end."""
    for start in range(0, len(centres), _FRAMES_PER_BLOCK):
        firsts = centres[start : start + _FRAMES_PER_BLOCK] - n_window // 2
        low, high = firsts[0], firsts[-1] + n_window
        inside = samples[max(low, 0) : max(high, 0)]
        stretch = np.zeros(high - low, dtype=np.float32)
        stretch[max(-low, 0) :][: len(inside)] = inside
        frames: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(stretch, n_window)
        yield frames[firsts - low]


def _decibels(magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    level_db: NDArray[np.float32] = 20 * np.log10(magnitude.clip(min=1e-10))
    return level_db


def _range_below(peak_db: float) -> tuple[float, float]:
    """Whole decibels; a silent signal gets the range of a loud one."""
    high_db = float(np.ceil(peak_db)) if peak_db > -190.0 else 0.0
    return high_db - RANGE_DB, high_db


def _share(place_px: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """A place in pixels as shares of the figure."""
    left, bottom, width, height = place_px
    across, up = 1 / canvas.WIDTH_PX, 1 / canvas.HEIGHT_PX
    return left * across, bottom * up, width * across, height * up


def _label_frequency(axes: Axes, scale: Scale) -> None:
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
