"""Dictionary picture: relative harmonic amplitudes of every instrument (paper, Section 2.3).

Axes: ``h`` harmonics, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas
from musisep_cli.sound.level import decibels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale = Literal["db", "linear"]

FLOOR_DB = -60.0
"""Lowest level in dB that is drawn: that of 1e-3, the smallest start value of a dictionary."""
_MOST_IN_A_COLUMN = 3
"""Number of panels above one another; more instruments take two columns."""
_PANEL_PX = 240
"""Height of a panel in pixels."""


def write_dictionary(
    path: Path,
    dictionary: NDArray[np.floating[Any]],
    *,
    names: Sequence[str] | None = None,
    title: str = "Dictionary: relative amplitude of every harmonic",
    scale: Scale = "db",
) -> None:
    """Write a dictionary as a PNG: one panel of bars per instrument, all with the same axes.

    Args:
        path: the file to write or replace.
        dictionary: relative amplitudes ``[h, i]``, 0 or more; 1 is the usual maximum.
        names: names of the instruments; "instrument 1" and so on if None.
        title: drawn above the panels as it stands.
        scale: scale of the amplitudes: "db" for decibels from -60 up, or "linear".

    Raises:
        OutputError: the file system refuses.
    """
    n_harmonics, n_instruments = dictionary.shape
    n_columns = 1 if n_instruments <= _MOST_IN_A_COLUMN else 2
    n_rows = -(-n_instruments // n_columns)
    figure = canvas.new_figure(height_px=max(canvas.HEIGHT_PX, 60 + _PANEL_PX * n_rows))
    figure.suptitle(canvas.plain(title))
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    # Column by column, so that the instruments read downwards.
    in_order: list[Axes] = list(panels.T.flat)
    for number, name in enumerate(canvas.instrument_names(names, n_instruments)):
        _draw_bars(in_order[number], dictionary[:, number], canvas.colour(number), scale)
        in_order[number].set_title(name, loc="left", fontsize="medium")
    for empty in in_order[n_instruments:]:
        empty.set_visible(False)
    _label(in_order[:n_instruments], n_harmonics, dictionary, scale)
    for axes in in_order[:n_instruments]:
        is_lowest = axes is in_order[n_instruments - 1] or axes in list(panels[-1])
        axes.tick_params(labelbottom=is_lowest)
        if is_lowest:
            axes.set_xlabel("harmonic")
    canvas.save(figure, path)


def _draw_bars(axes: Axes, amplitude: NDArray[np.floating[Any]], colour: str, scale: Scale) -> None:
    """Draw the amplitudes ``[h]`` of one instrument as bars."""
    harmonic = np.arange(1, len(amplitude) + 1)
    if scale == "db":
        level_db = decibels_of(amplitude, least=10 ** (FLOOR_DB / 20))
        axes.bar(harmonic, level_db - FLOOR_DB, bottom=FLOOR_DB, width=0.6, color=colour)
    else:
        axes.bar(harmonic, amplitude, width=0.6, color=colour)
    canvas.draw_quietly(axes)
    axes.grid(visible=False, axis="x")


def _label(
    panels: Sequence[Axes],
    n_harmonics: int,
    dictionary: NDArray[np.floating[Any]],
    scale: Scale,
) -> None:
    """Set ticks, limits and labels: of the first panel, whose axes the others share."""
    first = panels[0]
    first.set_xlim(0.3, n_harmonics + 0.7)
    step = 1 if n_harmonics <= 40 else 5
    first.set_xticks([h for h in range(1, n_harmonics + 1) if h == 1 or h % step == 0])
    highest = max(1.0, float(dictionary.max()))
    if scale == "db":
        first.set_ylim(FLOOR_DB, 20 * np.log10(highest) + 3.0)
        first.set_yticks(np.arange(FLOOR_DB, 1.0, 20.0))
    else:
        first.set_ylim(0.0, 1.05 * highest)
    for axes in panels:
        axes.set_ylabel("level in dB" if scale == "db" else "amplitude")
