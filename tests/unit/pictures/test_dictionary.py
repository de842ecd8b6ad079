"""Dictionary picture: bars as high as the amplitudes, on one scale for all instruments."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.pictures.dictionary import FLOOR_DB, Scale, write_dictionary
from tests.unit.pictures.drawn import drawn

DICTIONARY = np.array([[1.0, 0.5], [0.1, 1.0], [0.0, 1e-9]], np.float32)


def tops(scale: Scale, dictionary: np.ndarray = DICTIONARY) -> list[list[float]]:
    """The upper ends of the bars of every panel."""
    figure = drawn(lambda: write_dictionary(Path("unused.png"), dictionary, scale=scale))
    return [
        [bar.get_y() + bar.get_height() for bar in axes.patches]
        for axes in figure.axes
        if axes.get_visible()
    ]


def test_bars_are_the_levels_down_to_the_floor() -> None:
    first, second = tops("db")
    assert_allclose(first, [0.0, -20.0, FLOOR_DB], atol=1e-4)
    assert_allclose(second, [-6.0206, 0.0, FLOOR_DB], atol=1e-4)


def test_bars_are_the_amplitudes_on_a_linear_scale() -> None:
    assert_allclose(tops("linear"), DICTIONARY.T, atol=1e-7)


@pytest.mark.parametrize("n_instruments", [1, 3, 4, 7])
def test_every_instrument_has_a_panel_with_its_name(n_instruments: int) -> None:
    names = [f"name {number}" for number in range(n_instruments)]
    dictionary = np.full((25, n_instruments), 0.5)
    figure = drawn(lambda: write_dictionary(Path("unused.png"), dictionary, names=names))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert sorted(axes.get_title("left") for axes in shown) == names
    assert len({axes.get_ylim() for axes in shown}) == 1
    assert any(axes.get_xlabel() == "harmonic" for axes in shown)


def test_an_amplitude_above_1_is_inside_the_picture() -> None:
    figure = drawn(lambda: write_dictionary(Path("unused.png"), np.array([[1.9]])))
    assert figure.axes[0].get_ylim()[1] > 20 * np.log10(1.9)


def test_a_wrong_number_of_names_is_refused() -> None:
    with pytest.raises(ValueError, match="1 names for 2"):
        write_dictionary(Path("unused.png"), DICTIONARY, names=["a"])
