"""Canvas: size, names, time axis, and texts that matplotlib draws without a warning."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from musisep_cli.errors import OutputError
from musisep_cli.pictures import canvas


def test_a_picture_has_the_size_that_is_asked_for_whatever_the_users_settings(
    tmp_path: Path,
) -> None:
    import matplotlib as mpl

    path = tmp_path / "a.png"
    with mpl.rc_context({"savefig.dpi": 300, "figure.dpi": 50, "savefig.transparent": True}):
        canvas.save(canvas.new_figure(height_px=300), path)
    with Image.open(path) as picture:
        assert picture.size == (canvas.WIDTH_PX, 300)
        assert picture.convert("RGB").getpixel((5, 5)) == (255, 255, 255)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        canvas.save(canvas.new_figure(), tmp_path / "none" / "a.png")


def draw_text(text: str) -> None:
    """Draws it as a title and in a legend; a warning is an error here."""
    figure = canvas.new_figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=canvas.plain(text))
    axes.set_title(canvas.plain(text))
    axes.legend()
    figure.draw_without_rendering()


@pytest.mark.parametrize("text", ["$10 \\alpha$ $", "_a", "🎻 小提琴", "a\nb\tc", "x" * 500])
def test_any_text_is_drawn_as_it_stands(text: str) -> None:
    draw_text(text)


@given(st.text(max_size=200))
def test_a_plain_text_is_short_one_line_and_no_formula(text: str) -> None:
    plain = canvas.plain(text)
    assert len(plain.replace(r"\$", "$")) <= canvas._LONGEST_TEXT + 2
    assert "\n" not in plain
    assert plain.count("$") == plain.count(r"\$")
    assert not plain.startswith("_")


def test_names_of_instruments() -> None:
    assert canvas.instrument_names(["$a", "b"], 2) == [r"\$a", "b"]
    with pytest.raises(ValueError, match="1 names for 2 instruments"):
        canvas.instrument_names(["a"], 2)


def test_eight_instruments_have_eight_colours() -> None:
    assert len({canvas.colour(number) for number in range(8)}) == 8


@pytest.mark.parametrize(
    ("duration_s", "unit", "label"),
    [
        (10.0, "time in s", None),
        (90.0, "time in min:s", "1:00"),
        (3599.0, "time in min:s", "30:00"),
        (7200.0, "time in h:min:s", "1:00:00"),
        (86_400.0, "time in h:min:s", "20:00:00"),
    ],
)
def test_a_time_axis_has_few_round_ticks(duration_s: float, unit: str, label: str | None) -> None:
    figure = canvas.new_figure()
    axes = figure.subplots()
    canvas.label_time(axes, duration_s)
    figure.draw_without_rendering()
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert axes.get_xlabel() == unit
    assert axes.get_xlim() == (0.0, duration_s)
    assert 3 <= len(texts) <= 16
    assert label is None or label in texts
