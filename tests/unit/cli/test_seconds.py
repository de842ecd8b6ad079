"""Times on the command line: seconds, or minutes and hours before a colon."""

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.cli.seconds import seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_clock_is_hours_minutes_and_seconds(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}:{minutes:02}:{rest:02}") == 3600 * hours + 60 * minutes + rest


@given(st.floats(0, 1e6))
def test_a_plain_number_is_itself(value: float) -> None:
    assert seconds(repr(value)) == seconds(f" {value!r} s ") == value


def test_a_decimal_comma_is_a_point() -> None:
    assert (seconds("1,5"), seconds("0:01,5")) == (1.5, 1.5)


@pytest.mark.parametrize("text", ["", "soon", "1:75", "1:2:3:4", "1h", "1:-2"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is no time: give seconds .*1:02:03"):
        seconds(text)
