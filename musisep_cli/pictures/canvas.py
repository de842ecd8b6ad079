"""Canvas: the figure, the file, the colours and the time axis that all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musisep_cli.machine.files import atomic_path
from musisep_cli.sound.notation import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

WIDTH_PX = 1200
"""Width of every picture in pixels: it fits a page or a screen as it is."""
HEIGHT_PX = 600
"""Height in pixels of a picture with a single panel."""
DPI = 100
"""Pixels per inch, by which matplotlib turns its points (1/72 inch) into pixels."""

# The colours of Okabe and Ito, which can be told apart with any colour vision. Their yellow is
# hardly visible on white paper, so a darker one stands in for it.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f3c8d", "#4d4d4d")

_LONGEST_TEXT = 90
"""Number of characters that fit above a picture in matplotlib's size for titles."""
_MISSING = "\N{WHITE SQUARE}"
"""Drawn for a character that the font lacks."""
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400)
"""Distances in seconds between two ticks of a time axis that are easy to read."""
_MOST_TIME_TICKS = 13
"""Largest number of ticks on a time axis whose labels do not touch."""


def new_figure(*, height_px: int = HEIGHT_PX) -> Figure:
    """Return an empty white figure, 1200 pixels wide, whose parts are placed automatically.

    Args:
        height_px: height in pixels.
    """
    from matplotlib.figure import Figure

    size_in = (WIDTH_PX / DPI, height_px / DPI)
    return Figure(figsize=size_in, dpi=DPI, layout="constrained", facecolor="white")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all.

    Args:
        figure: the figure to draw.
        path: the file to write or replace.

    Raises:
        OutputError: the file system refuses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Figure.savefig would take its resolution from the user's matplotlibrc. (No types: Any.)
    canvas: Any = FigureCanvasAgg(figure)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        canvas.print_png(stream)


def plain(text: str) -> str:
    r"""Return a text, perhaps the name of a file, in a form that matplotlib draws as it stands.

    Dollar signs are escaped, since matplotlib reads formulas between them. Characters that the font
    lacks become squares, where matplotlib would warn. A long text loses its middle. A text that
    starts with an underscore gets a space before it, since a legend would leave it out.

    >>> plain("a $10 $5 étude\n\N{VIOLIN}")
    'a \\$10 \\$5 étude □'
    """
    words = " ".join(text.split())
    if len(words) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        words = f"{words[:half]}…{words[-half:]}"
    font = _font()
    drawn = "".join(sign if font.get_char_index(ord(sign)) else _MISSING for sign in words)
    return (" " + drawn if drawn.startswith("_") else drawn).replace("$", r"\$")


def instrument_names(names: Sequence[str] | None, n_instruments: int) -> list[str]:
    """Return the names to draw, "instrument 1" and so on if none are given.

    Raises:
        ValueError: there are not as many names as instruments.

    >>> instrument_names(None, 2)
    ['instrument 1', 'instrument 2']
    """
    if names is None:
        return [f"instrument {number}" for number in range(1, n_instruments + 1)]
    if len(names) != n_instruments:
        raise ValueError(f"{len(names)} names for {n_instruments} instruments")
    return [plain(name) for name in names]


def colour(number: int) -> str:
    """Return the colour of an instrument or a seed, the same in every picture.

    Args:
        number: of the instrument or seed, from 0; after eight the colours begin again.

    >>> colour(0), colour(8) == colour(0)
    ('#0072b2', True)
    """
    return _COLOURS[number % len(_COLOURS)]


def draw_quietly(axes: Axes) -> None:
    """Remove the frame at the top and on the right, and draw a faint grid under the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def label_time(axes: Axes, duration_s: float) -> None:
    """Label the time axis: in seconds below a minute, in min:s below an hour, else in h:min:s.

    Args:
        axes: their horizontal axis is in seconds.
        duration_s: the end of the axis, which starts at 0.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    axes.set_xlim(0.0, duration_s)
    if duration_s < 60.0:
        axes.xaxis.set_major_locator(MaxNLocator(_MOST_TIME_TICKS, steps=[1, 2, 5, 10]))
        axes.set_xlabel("time in s")
        return
    steps_s = (step_s for step_s in _STEPS_S if duration_s / step_s <= _MOST_TIME_TICKS)
    axes.xaxis.set_major_locator(MultipleLocator(next(steps_s, _STEPS_S[-1])))
    with_hours = duration_s >= 3600.0
    axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: clock(t, with_hours=with_hours)))
    axes.set_xlabel("time in h:min:s" if with_hours else "time in min:s")


def label_hz(frequency_hz: float) -> str:
    """Return a frequency as equalisers write it: in Hz, from 1000 Hz on in kHz with a k.

    >>> [label_hz(f) for f in (50, 200, 1000, 2500, 20_000)]
    ['50', '200', '1k', '2.5k', '20k']
    """
    return f"{frequency_hz:g}" if frequency_hz < 1000 else f"{frequency_hz / 1000:g}k"


@cache
def _font() -> FT2Font:
    """Return the font in which matplotlib writes by default."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties()))
