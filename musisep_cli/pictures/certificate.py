"""Certificate: where tones were missed, over time and pitch.

Axes: ``n`` frames, ``g`` pitches, ``i`` instruments.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas
from musisep_cli.sound.pitch import note_name

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap

Values = NDArray[np.floating[Any]]

MOST_COLUMNS = 1000
"""Columns of the picture: of more frames, each column shows the greatest excess."""
HIGHEST = 2.0
"""The colour scale ends at twice the bound, which lies in its middle."""
_SHADES = 128


def write_certificate(
    path: Path,
    times_s: Values,
    pitches_midi: Values,
    excess: Values,
    *,
    title: str,
    played_hz: Values | None = None,
) -> None:
    """Write the certificate of what a run's tones left as a PNG of 1200 x 600 pixels.

    Below its bound it is grey, above it red.

    Args:
        path: the file to write or replace.
        times_s: frame centres, ``[n]``.
        pitches_midi: in equal steps, ``[g]``.
        excess: certificate over bound, ``[n, g]``.
        title: above the picture.
        played_hz: what the instruments play, 0 or NaN for nothing, ``[i, n]``.

    Raises:
        OutputError: the file system refuses.
    """
    figure = canvas.new_figure()
    axes = figure.subplots()
    axes.set_title(canvas.plain(title))
    end_s = float(times_s[-1] + (times_s[1] - times_s[0])) if len(times_s) > 1 else 1.0
    half = (pitches_midi[1] - pitches_midi[0]) / 2 if len(pitches_midi) > 1 else 0.5
    low, high = float(pitches_midi[0] - half), float(pitches_midi[-1] + half)
    image = axes.imshow(
        columns(excess).T,
        cmap=_colours(),
        vmin=0.0,
        vmax=HIGHEST,
        extent=(0.0, end_s, low, high),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    for number, line in enumerate(() if played_hz is None else played_hz):
        _draw_played(axes, times_s, line, canvas.colour(number))
    canvas.label_time(axes, end_s)
    axes.set_ylim(low, high)
    octaves = [note for note in range(ceil(low), int(high) + 1) if note % 12 == 0]
    axes.set_yticks(octaves, [note_name(note) for note in octaves])
    axes.set_ylabel("pitch")
    bar = figure.colorbar(image, ax=axes, extend="max")
    bar.set_label("certificate, relative to its bound")
    canvas.save(figure, path)


def columns(excess: Values) -> Values:
    """Return the greatest excess of as many frames as fall into a column, ``[x, g]``.

    >>> columns(np.arange(6.0).reshape(3, 2)).shape
    (3, 2)
    """
    size = -(-len(excess) // MOST_COLUMNS) or 1
    padded = np.pad(excess, ((0, -len(excess) % size), (0, 0)))
    greatest: Values = padded.reshape(-1, size, excess.shape[1]).max(axis=1)
    return greatest


def _draw_played(axes: Any, times_s: Values, f0_hz: Values, colour: str) -> None:
    """Draw what an instrument plays as dots."""
    sounding = np.isfinite(f0_hz) & (f0_hz > 0)
    midi = 69 + 12 * np.log2(np.where(sounding, f0_hz, 440.0) / 440.0)
    axes.plot(times_s[sounding], midi[sounding], ",", color=colour, alpha=0.6)


def _colours() -> ListedColormap:
    """Return white to grey up to the bound, and light to dark red above it."""
    from matplotlib.colors import ListedColormap

    below = np.linspace(1.0, 0.55, _SHADES)
    above = np.linspace(0.0, 1.0, _SHADES)[:, None]
    red = (1 - above) * np.array([0.99, 0.65, 0.45]) + above * np.array([0.55, 0.0, 0.05])
    return ListedColormap(np.concatenate([np.stack([below] * 3, 1), red]).tolist())
