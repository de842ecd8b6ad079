"""Output: JSON without infinities, tables in files that are not folded, messages nobody reads."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from musisep_cli.cli.output import show, with_finite_numbers

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_becomes_json_for_any_reader(value: object) -> None:
    nulled = with_finite_numbers(value, stand_in=lambda number: None)
    assert json.loads(json.dumps(nulled, allow_nan=False)) == nulled


def test_finite_values_stay_as_they_are() -> None:
    value = {"a": [1, 2.5, "inf", None, True], "b": {}}
    assert with_finite_numbers(value, stand_in=str) == value
    assert with_finite_numbers([math.inf, math.nan], stand_in=str) == ["inf", "nan"]


def test_a_table_in_a_pipe_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", "text")
    table.add_row("a", "word " * 25)
    show(Console(width=40, force_terminal=False), table)
    assert ("word " * 25).strip() in capsys.readouterr().out


def test_a_line_is_not_folded_either(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(width=20), "a long line [bold]of text[/] that is longer than the terminal")
    assert "[bold]of text[/] that is longer than the terminal\n" in capsys.readouterr().out
