"""Notation: times and channels as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.sound.notation import channels_in_words, clock


@given(st.integers(0, 10**6))
def test_a_clock_can_be_read_back(seconds: int) -> None:
    for text in (clock(seconds), clock(seconds, with_hours=True)):
        *hours, minutes, rest = text.split(":")
        assert timedelta(
            hours=int("".join(hours) or 0), minutes=int(minutes), seconds=int(rest)
        ) == (timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599.4, "59:59"), (3599.6, "1:00:00")]
)
def test_a_clock_rounds_before_it_divides(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_channels() -> None:
    assert [channels_in_words(n) for n in (1, 2, 3)] == ["mono", "stereo", "3 channels"]
