"""Progress: durations in words, and notes of who is told of them."""

import pytest

from musisep_cli.cli.progress import note, span
from musisep_cli.methods.method import Progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h 0 min"), (48 * 3600, "2 d 0 h")],
)
def test_a_duration_is_told_in_its_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_note_names_the_seed() -> None:
    told = note(Progress(7, "training", 1, 2, note="starting over"))
    assert "7" in told
    assert "starting over" in told
