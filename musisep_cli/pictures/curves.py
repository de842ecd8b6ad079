"""Training curves: the objective and its three terms over the iterations (Section 3.5).

The paper trains for 70,000 iterations, and a panel is 550 pixels wide. So neighbouring iterations
share a bin, and of every bin the picture shows the range (faintly) and a smoothed mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Row = Mapping[str, float | str]
"""One iteration of a training: name of a column to its number, or to the number's text."""
_Floats = NDArray[np.float64]

_MOST_BINS = 400
"""Largest number of bins: fewer than a panel has pixels."""
_SMOOTHING_SHARE = 0.04
"""Half the width of the smoothing window, as a share of the iterations."""
_COLUMNS = 2
"""Panels side by side."""
_LEGEND_COLUMNS = 6
"""Labels side by side that fit the width of the picture."""
_HEIGHT_PX = 700
"""Height in pixels of two rows of panels and a legend."""


def write_curves(
    path: Path,
    runs: Mapping[str, Sequence[Row]],
    *,
    terms: Sequence[str],
    title: str = "Training",
    chosen: str | None = None,
) -> None:
    """Write training curves as a PNG with one panel per term and one line per training.

    Args:
        path: the file to write or replace.
        runs: label of each training, for instance "seed 0", to the rows of its metrics.csv in
            order, with the columns iteration, the terms and n_skipped; numbers or their texts.
            Values that are not finite or not positive are left out, since the vertical axis is
            logarithmic.
        terms: columns to draw, a panel for each.
        title: drawn above the panels as it stands.
        chosen: label of the training whose line is drawn bold; None for none.

    Raises:
        OutputError: the file system refuses.
    """
    figure = canvas.new_figure(height_px=_HEIGHT_PX)
    figure.suptitle(canvas.plain(title))
    n_rows = -(-len(terms) // _COLUMNS)
    panels = figure.subplots(n_rows, _COLUMNS, sharex=True, squeeze=False).ravel()
    lines: list[Line2D] = []
    for axes, term in zip(panels, terms, strict=False):
        lines = [
            _draw(axes, _curve(rows, term), canvas.colour(number), emphasised=label == chosen)
            for number, (label, rows) in enumerate(runs.items())
        ]
        _label(axes, term)
    for axes in panels[len(terms) :]:
        axes.set_visible(False)
    for axes in panels[-_COLUMNS:]:
        axes.set_xlabel("iteration")
    labels = [_legend_text(label, rows, chosen) for label, rows in runs.items()]
    figure.legend(lines, labels, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)
    canvas.save(figure, path)


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """One term of one training in bins, arrays of one number per bin; NaN where it has no value.

    Attributes:
        iteration: mean iteration of the bin.
        low: lowest value in the bin.
        high: highest value in the bin.
        smooth: geometric mean of the bins around it.
    """

    iteration: _Floats
    low: _Floats
    high: _Floats
    smooth: _Floats


def _curve(rows: Sequence[Row], term: str) -> _Curve:
    """Return a column of a training in at most ``_MOST_BINS`` bins."""
    value = np.array([float(row[term]) for row in rows])
    iteration = np.array([float(row["iteration"]) for row in rows])
    usable = np.isfinite(value) & (value > 0)
    n_bins = min(len(rows), _MOST_BINS)
    starts = np.arange(n_bins) * len(rows) // max(n_bins, 1)
    if not n_bins:
        return _Curve(iteration=iteration, low=value, high=value, smooth=value)
    # The axis is logarithmic, and the mean is taken of logarithms: one outlier does not lift the
    # line. Sum of the logarithms and number of the usable values of every bin:
    total = np.add.reduceat(np.log(value, out=np.zeros_like(value), where=usable), starts)
    count = np.add.reduceat(usable.astype(np.float64), starts)
    return _Curve(
        iteration=np.add.reduceat(iteration, starts) / np.diff(starts, append=len(rows)),
        low=_infinite_to_nan(np.minimum.reduceat(np.where(usable, value, np.inf), starts)),
        high=_infinite_to_nan(np.maximum.reduceat(np.where(usable, value, -np.inf), starts)),
        smooth=_smoothed_mean(total, count),
    )


def _smoothed_mean(log_total: _Floats, count: _Floats) -> _Floats:
    """Return the geometric mean around every bin; NaN where the bin itself is empty.

    Args:
        log_total: sum of the logarithms in every bin.
        count: number of values in every bin.
    """
    reach = min(round(_SMOOTHING_SHARE * len(count)), (len(count) - 1) // 2)
    weight = np.hanning(2 * reach + 3)[1:-1]
    near = np.convolve(count, weight, mode="same")
    mean = np.convolve(log_total, weight, mode="same") / np.where(count > 0, near, np.nan)
    return np.exp(mean)


def _infinite_to_nan(value: _Floats) -> _Floats:
    """Return the values with NaN, which is not drawn, in place of the infinity of an empty bin."""
    return np.where(np.isfinite(value), value, np.nan)


def _draw(axes: Axes, curve: _Curve, colour: str, *, emphasised: bool) -> Line2D:
    """Draw the range and the mean of one training, and return the line of the mean."""
    axes.fill_between(
        curve.iteration, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0.6
    )
    # A line through a single bin has no length: it gets a point.
    marker = "o" if len(curve.iteration) == 1 else ""
    width, order = (3.0, 3) if emphasised else (1.6, 2)
    [line] = axes.plot(
        curve.iteration, curve.smooth, color=colour, linewidth=width, zorder=order, marker=marker
    )
    return line


def _label(axes: Axes, name: str) -> None:
    """Name a panel, and make its axis logarithmic if it shows anything."""
    axes.set_title(name, loc="left", fontsize="medium")
    canvas.draw_quietly(axes)
    low, high = axes.dataLim.intervaly
    if not 0 < low <= high < np.inf:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no positive values", transform=axes.transAxes, ha="center")
        return
    axes.set_yscale("log")


def _legend_text(label: str, rows: Sequence[Row], chosen: str | None) -> str:
    """Return the label of a training, with its skipped steps and whether it was chosen."""
    n_skipped = int(float(rows[-1]["n_skipped"])) if rows else 0
    notes = ["chosen"] if label == chosen else []
    notes += [f"{n_skipped} steps skipped"] if n_skipped else []
    return canvas.plain(label) + (f" ({', '.join(notes)})" if notes else "")
