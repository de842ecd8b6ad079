"""Piano roll: every note is a line of its place and length."""

import re

import numpy as np
import pytest

from musisep_cli.inspection.note_list import Note
from musisep_cli.inspection.page.piano_roll import path_of, pitch_range


def note(midi: float, onset_s: float, offset_s: float, **others: tuple) -> Note:
    f0_hz = 440.0 * 2 ** ((midi - 69) / 12)
    return Note(onset_s=onset_s, offset_s=offset_s, f0_hz=f0_hz, level_db=-20.0, **others)


def test_a_range_holds_all_notes_and_two_octaves() -> None:
    for pitches in ([69.0], [36.2, 96.7], [60.0, 62.0]):
        found = pitch_range([note(midi, 0, 1) for midi in pitches])
        assert found.low + 1 <= min(pitches)
        assert max(pitches) <= found.high - 1
        assert found.high - found.low >= 24


def test_nothing_played_has_a_range_too() -> None:
    found = pitch_range([])
    assert found.high - found.low == 24
    assert path_of([], found) == ""


def test_notes_are_lines_in_hundredths() -> None:
    notes = [note(60.25, 0.0, 0.5), note(72.0, 1.23, 4.0)]
    pitches = pitch_range(notes)
    top = pitches.high
    assert path_of(notes, pitches) == (
        f"M0 {round(100 * (top - 60.25))}H50M123 {100 * (top - 72)}H400"
    )


def test_a_slide_goes_through_its_points() -> None:
    sliding = note(61.0, 0.0, 1.0, slide=((0.0, 60.0), (0.5, 61.0), (0.9, 62.0)))
    pitches = pitch_range([sliding])
    path = path_of([sliding], pitches)
    points = [tuple(map(int, pair)) for pair in re.findall(r"L(\d+) (\d+)", path)]
    assert path.endswith("H100")
    np.testing.assert_array_equal(
        points, [(0, pitches.y(60)), (50, pitches.y(61)), (90, pitches.y(62))]
    )


@pytest.mark.parametrize("midi", [60, 72, 84])
def test_octaves_are_those_in_range(midi: int) -> None:
    found = pitch_range([note(55, 0, 1), note(90, 0, 1)])
    assert midi in found.octaves
