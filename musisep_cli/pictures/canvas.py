"""Canvas: the figure, file, colours and time axis that all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musisep_cli.machine.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

WIDTH_PX = 1200
HEIGHT_PX = 600
DPI = 100

# Okabe and Ito's colours, told apart with any colour vision and on white paper (their yellow is
# not, so a darker one stands in).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f3c8d", "#4d4d4d")

_LONGEST_TEXT = 90
_MISSING = "\N{WHITE SQUARE}"
# Spacings of a time axis that read well, in seconds.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400)
_MOST_TIME_TICKS = 13


def new_figure(*, height_px: int = HEIGHT_PX) -> Figure:
    """An empty white figure, 1200 pixels wide, whose parts find their places themselves."""
    from matplotlib.figure import Figure

    size_in = (WIDTH_PX / DPI, height_px / DPI)
    return Figure(figsize=size_in, dpi=DPI, layout="constrained", facecolor="white")


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all.

    Args:
        figure: What to draw.
        path: The file to write or replace.

    Raises:
        OutputError: The file system refuses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Not savefig, whose picture takes its size from the user's matplotlibrc. It has no types.
    canvas: Any = FigureCanvasAgg(figure)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        canvas.print_png(stream)


def plain(text: str) -> str:
    r"""Text, perhaps a file's name, in a form that matplotlib draws as it stands.

    Dollar signs are no formulas, characters that the font lacks become squares (matplotlib would
    warn), and a long text loses its middle. A label that starts with an underscore gets a space
    before it, since a legend would leave it out.

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
    """The names to draw, "instrument 1" and so on if there are none.

    >>> instrument_names(None, 2)
    ['instrument 1', 'instrument 2']
    """
    if names is None:
        return [f"instrument {number}" for number in range(1, n_instruments + 1)]
    if len(names) != n_instruments:
        raise ValueError(f"{len(names)} names for {n_instruments} instruments")
    return [plain(name) for name in names]


def colour(number: int) -> str:
    """The colour of instrument or seed `number`, counted from 0: the same in every picture.

    >>> colour(0), colour(8) == colour(0)
    ('#0072b2', True)
    """
    return _COLOURS[number % len(_COLOURS)]


def draw_quietly(axes: Axes) -> None:
    """Take the box away, and lay a faint grid under the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def label_time(axes: Axes, duration_s: float) -> None:
    """Label the horizontal axis in seconds below a minute, in min:s or h:min:s above."""
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


def clock(time_s: float, *, with_hours: bool) -> str:
    """Time as on a clock.

    >>> clock(75.0, with_hours=False), clock(3675.0, with_hours=True)
    ('1:15', '1:01:15')
    """
    minutes, seconds = divmod(round(time_s), 60)
    if not with_hours:
        return f"{minutes}:{seconds:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def label_hz(frequency_hz: float) -> str:
    """A frequency as on the scale of an equaliser.

    >>> [label_hz(f) for f in (50, 200, 1000, 2500, 20_000)]
    ['50', '200', '1k', '2.5k', '20k']
    """
    return f"{frequency_hz:g}" if frequency_hz < 1000 else f"{frequency_hz / 1000:g}k"


@cache
def _font() -> FT2Font:
    """The font in which matplotlib writes if nothing else is asked for."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties()))
