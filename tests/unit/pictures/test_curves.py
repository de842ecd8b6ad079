"""Training curves: what lines show of rows, few and many, whole and broken."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.pictures import canvas
from musisep_cli.pictures.curves import Row, write_curves
from tests.unit.pictures.drawn import drawn

TERMS = ("objective", "dictionary", "direct", "agreement")


def rows(values: Sequence[float], *, as_text: bool = False) -> list[Row]:
    return [
        {"iteration": n, "n_skipped": 0} | dict.fromkeys(TERMS, repr(v) if as_text else v)
        for n, v in enumerate(values, 1)
    ]


def lines_of(runs: dict[str, list[Row]], **options: str) -> list[np.ndarray]:
    """The lines ``[x and y, bins]`` of the first panel."""
    figure = drawn(lambda: write_curves(Path("unused.png"), terms=TERMS, runs=runs, **options))
    return [np.array(line.get_data(), float) for line in figure.axes[0].get_lines()]


def test_a_constant_is_a_level_line_at_its_value() -> None:
    [line] = lines_of({"seed 0": rows([2.0] * 50)})
    assert_allclose(line, [np.arange(1, 51), np.full(50, 2.0)])


def test_texts_are_numbers_too() -> None:
    values = [3.0 - n / 15 for n in range(30)]
    assert_allclose(lines_of({"a": rows(values, as_text=True)}), lines_of({"a": rows(values)}))


def test_many_rows_become_few_points_with_their_geometric_mean() -> None:
    values = np.tile([0.1, 10.0], 10_000)  # 1 in the geometric mean, 5 in the other
    [line] = lines_of({"a": rows(list(values))})
    assert line.shape[1] <= 400
    assert_allclose(line[1], 1.0, rtol=1e-6)
    assert_allclose(np.diff(line[0]), 50.0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, -1.0])
def test_values_without_a_logarithm_are_left_out(wrong: float) -> None:
    values = [2.0] * 20
    values[7] = wrong
    [line] = lines_of({"a": rows(values)})
    assert np.isnan(line[1, 7])
    assert_allclose(np.delete(line[1], 7), 2.0)


def test_panels_are_logarithmic_and_say_so_where_there_is_nothing() -> None:
    figure = drawn(
        lambda: write_curves(Path("unused.png"), terms=TERMS, runs={"a": rows([np.nan] * 5)})
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["no positive values"]
    figure = drawn(
        lambda: write_curves(Path("unused.png"), terms=TERMS, runs={"a": rows([1.0, 2.0])})
    )
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}


def test_the_chosen_run_is_bold_and_skipped_steps_are_told() -> None:
    skipped = [row | {"n_skipped": 3} for row in rows([1.0, 2.0])]
    runs = {"seed 0": rows([1.0, 2.0]), "seed 1": skipped, "seed 2": []}
    figure = drawn(
        lambda: write_curves(Path("unused.png"), terms=TERMS, runs=runs, chosen="seed 0")
    )
    widths = [line.get_linewidth() for line in figure.axes[0].get_lines()]
    assert widths[0] > widths[1]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["seed 0 (chosen)", "seed 1 (3 steps skipped)", "seed 2"]


def test_the_file_is_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    write_curves(tmp_path / "a.png", terms=TERMS, runs={"seed 0": rows([3.0])}, title="$x_1")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (canvas.WIDTH_PX, 700)
