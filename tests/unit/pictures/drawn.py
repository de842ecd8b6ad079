"""The figure of a picture, for the tests to look into."""

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from musisep_cli.pictures import canvas


def drawn(draw: Callable[[], None]) -> Figure:
    """The figure that a function hands to ``canvas.save``, laid out and drawn, but not written."""
    figures: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "save", lambda figure, path: figures.append(figure))
        draw()
    [figure] = figures
    figure.draw_without_rendering()
    return figure
