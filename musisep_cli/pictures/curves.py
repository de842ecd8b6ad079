"""Training curves: the objective and its three terms over the iterations (Section 3.5).

A run of the paper has 70,000 rows and the picture 550 pixels for them: rows are put together in
bins, and a bin shows its range, faintly, and its smoothed mean.
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
_Floats = NDArray[np.float64]

_MOST_BINS = 400
_SMOOTHING_SHARE = 0.04  # of the run, the half width of the smoothing window
_COLUMNS, _LEGEND_COLUMNS = 2, 6
_HEIGHT_PX = 700


def write_curves(
    path: Path,
    runs: Mapping[str, Sequence[Row]],
    *,
    terms: Sequence[str],
    title: str = "Training",
    chosen: str | None = None,
) -> None:
    """Write training curves as a PNG: a panel for each term, in it a line for each run.

    Args:
        path: The file to write or replace.
        runs: Label, for instance "seed 0", to the rows of its metrics.csv in their order, with
            the columns iteration, the terms, and n_skipped; numbers or their texts. Values that
            are not finite or not positive are left out.
        terms: The columns to draw, a panel for each.
        title: Drawn above, as it stands.
        chosen: The label of a run to emphasise.

    Raises:
        OutputError: The file system refuses.
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
    """One term of one run, in bins of some iterations each; NaN where a bin holds no number.

    Attributes:
        iteration: The middle of every bin.
        low: Its lowest value.
        high: Its highest.
        smooth: Geometric mean of the bins around it.
    """

    iteration: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    smooth: NDArray[np.float64]


def _curve(rows: Sequence[Row], term: str) -> _Curve:
    value = np.array([float(row[term]) for row in rows])
    iteration = np.array([float(row["iteration"]) for row in rows])
    usable = np.isfinite(value) & (value > 0)
    n_bins = min(len(rows), _MOST_BINS)
    starts = np.arange(n_bins) * len(rows) // max(n_bins, 1)
    if not n_bins:
        return _Curve(iteration=iteration, low=value, high=value, smooth=value)
    # The axis is logarithmic, and so is the mean: one outlier does not lift the line.
    total = np.add.reduceat(np.log(value, out=np.zeros_like(value), where=usable), starts)
    count = np.add.reduceat(usable.astype(np.float64), starts)
    return _Curve(
        iteration=np.add.reduceat(iteration, starts) / np.diff(starts, append=len(rows)),
        low=_finite(np.minimum.reduceat(np.where(usable, value, np.inf), starts)),
        high=_finite(np.maximum.reduceat(np.where(usable, value, -np.inf), starts)),
        smooth=_smoothed_mean(total, count),
    )


def _smoothed_mean(log_total: NDArray[np.float64], count: NDArray[np.float64]) -> _Floats:
    """Geometric mean around every bin; NaN where the bin itself is empty."""
    reach = min(round(_SMOOTHING_SHARE * len(count)), (len(count) - 1) // 2)
    weight = np.hanning(2 * reach + 3)[1:-1]
    near = np.convolve(count, weight, mode="same")
    mean = np.convolve(log_total, weight, mode="same") / np.where(count > 0, near, np.nan)
    return np.exp(mean)


def _finite(value: _Floats) -> _Floats:
    return np.where(np.isfinite(value), value, np.nan)


def _draw(axes: Axes, curve: _Curve, colour: str, *, emphasised: bool) -> Line2D:
    axes.fill_between(
        curve.iteration, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0.6
    )
    # A run of one row is a point.
    marker = "o" if len(curve.iteration) == 1 else ""
    width, order = (3.0, 3) if emphasised else (1.6, 2)
    [line] = axes.plot(
        curve.iteration, curve.smooth, color=colour, linewidth=width, zorder=order, marker=marker
    )
    return line


def _label(axes: Axes, name: str) -> None:

    axes.set_title(name, loc="left", fontsize="medium")
    canvas.draw_quietly(axes)
    low, high = axes.dataLim.intervaly
    if not 0 < low <= high < np.inf:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no positive values", transform=axes.transAxes, ha="center")
        return
    axes.set_yscale("log")


def _legend_text(label: str, rows: Sequence[Row], chosen: str | None) -> str:
    n_skipped = int(float(rows[-1]["n_skipped"])) if rows else 0
    notes = ["chosen"] if label == chosen else []
    notes += [f"{n_skipped} steps skipped"] if n_skipped else []
    return canvas.plain(label) + (f" ({', '.join(notes)})" if notes else "")
