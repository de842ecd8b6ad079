"""Piano roll: the notes of instruments as paths of an SVG.

One unit across is a hundredth of a second, one unit up a hundredth of a semitone, so that all
numbers are whole. A note is a line at its pitch; one that slides is a line that follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from musisep_cli.inspection.note_list import Note
from musisep_cli.sound.pitch import A4_MIDI, SEMITONES_PER_OCTAVE

UNITS = 100
"""Units in a second, and in a semitone."""
_MARGIN = 2
"""Semitones above the highest note and below the lowest."""
_LEAST_SPAN = 24
"""Lowest height in semitones: a vibrato is not to look like a melody."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which pitches a roll shows: whole MIDI numbers of its lower and its upper edge."""

    low: int
    high: int

    @property
    def octaves(self) -> list[int]:
        """Return the MIDI numbers of every C in it.

        >>> Range(low=58, high=73).octaves
        [60, 72]
        """
        keys = range(self.low, self.high + 1)
        return [midi for midi in keys if midi % SEMITONES_PER_OCTAVE == 0]

    def y(self, midi: float) -> int:
        """Return how far below the upper edge a pitch is, in units.

        >>> Range(low=58, high=73).y(72.5)
        50
        """
        return round(UNITS * (self.high - midi))


def pitch_range(notes: Sequence[Note]) -> Range:
    """Return the range of pitches that holds some notes, two octaves at least."""
    pitches = [note.semitones for note in notes] or [float(A4_MIDI)]
    low, high = floor(min(pitches)) - _MARGIN, ceil(max(pitches)) + _MARGIN
    missing = max(0, _LEAST_SPAN - (high - low))
    return Range(low=low - missing // 2, high=high + (missing + 1) // 2)


def path_of(notes: Sequence[Note], pitches: Range) -> str:
    """Return the notes of an instrument as the data of an SVG path.

    >>> note = Note(onset_s=0.5, offset_s=1.25, f0_hz=440.0, level_db=0.0)
    >>> path_of([note], Range(low=57, high=81))
    'M50 1200H125'
    """
    return "".join(_line(note, pitches) for note in notes)


def _line(note: Note, pitches: Range) -> str:
    """Return one note as a line of an SVG path."""
    start, end = _x(note.onset_s), _x(note.offset_s)
    if not note.slide:
        return f"M{start} {pitches.y(note.semitones)}H{end}"
    points = "".join(f"L{_x(time_s)} {pitches.y(midi)}" for time_s, midi in note.slide)
    return f"M{start} {pitches.y(note.slide[0][1])}{points}H{end}"


def _x(time_s: float) -> int:
    """Return a time in units."""
    return round(UNITS * time_s)
