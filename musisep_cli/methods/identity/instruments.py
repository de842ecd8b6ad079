"""Instruments: the classes of General MIDI that an identity may be named by.

A class joins programs that sound alike. Its range and its way of playing tell the generator of
training music what to write for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from musisep_cli.errors import ConfigError

HELD_OUT_PROGRAMS = (6, 12, 21, 24, 41, 57, 66, 68, 71, 75)
"""Programs, counted from 0, that no training sees: what they score is what an unknown instrument
may expect. Chosen by the specification before anything was trained."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A class of instruments."""

    name: str
    """What a user calls it; lower case."""
    programs: tuple[int, ...]
    """General MIDI programs from 0; none for drums, which have a channel instead."""
    lowest_midi: int
    """Lowest note written for it, in semitones of MIDI."""
    highest_midi: int
    """Highest note written for it."""
    chords: bool = False
    """Whether it plays several notes at once."""

    @property
    def training_programs(self) -> tuple[int, ...]:
        """Its programs that training may use."""
        return tuple(p for p in self.programs if p not in HELD_OUT_PROGRAMS)


def _of(
    name: str, programs: tuple[int, ...], low: int, high: int, *, chords: bool = False
) -> Instrument:
    return Instrument(
        name=name, programs=programs, lowest_midi=low, highest_midi=high, chords=chords
    )


INSTRUMENTS = (
    _of("piano", (0, 1, 2, 3), 33, 96, chords=True),
    _of("electric piano", (4, 5), 36, 90, chords=True),
    _of("harpsichord", (6, 7), 36, 86, chords=True),
    _of("bells", (8, 9, 10, 14), 60, 100),
    _of("vibraphone", (11,), 53, 89, chords=True),
    _of("marimba", (12, 13, 108), 48, 93),
    _of("dulcimer", (15,), 48, 84),
    _of("organ", (16, 17, 18), 36, 90, chords=True),
    _of("church organ", (19, 20), 36, 90, chords=True),
    _of("accordion", (21, 23), 48, 88, chords=True),
    _of("harmonica", (22,), 55, 88),
    _of("acoustic guitar", (24, 25), 40, 79, chords=True),
    _of("electric guitar", (26, 27, 28, 31), 40, 81, chords=True),
    _of("distorted guitar", (29, 30), 40, 79),
    _of("double bass", (32, 43), 28, 60),
    _of("electric bass", (33, 34, 35, 36, 37), 28, 58),
    _of("synth bass", (38, 39), 28, 58),
    _of("violin", (40, 110), 55, 98),
    _of("viola", (41,), 48, 86),
    _of("cello", (42,), 36, 74),
    _of("string ensemble", (44, 48, 49, 50, 51), 36, 92, chords=True),
    _of("pizzicato strings", (45,), 40, 88),
    _of("harp", (46,), 36, 92, chords=True),
    _of("timpani", (47,), 38, 57),
    _of("choir", (52, 53, 54), 43, 81, chords=True),
    _of("trumpet", (56, 59), 54, 84),
    _of("trombone", (57,), 40, 72),
    _of("tuba", (58,), 28, 58),
    _of("horn", (60,), 41, 77),
    _of("brass section", (61, 62, 63), 40, 84, chords=True),
    _of("saxophone", (64, 65, 66, 67), 44, 84),
    _of("oboe", (68, 69), 55, 91),
    _of("bassoon", (70,), 34, 72),
    _of("clarinet", (71,), 50, 91),
    _of("flute", (72, 73, 74), 60, 98),
    _of("pan flute", (75, 76, 77, 78, 79), 60, 94),
    _of("synth lead", (80, 81, 82, 83, 84, 85, 86, 87), 48, 90),
    _of("synth pad", (88, 89, 90, 91, 92, 93, 94, 95), 40, 86, chords=True),
    _of("plucked strings of Asia", (104, 105, 106, 107), 45, 81),
    _of("bagpipe", (109, 111), 54, 84),
    _of("drums", (), 35, 57),
)
"""In the order of the rows of the network's table; a new class goes to the end."""
DRUMS = len(INSTRUMENTS) - 1
"""Row of the drums."""


def row(name: str) -> int:
    """Return the row of the table that a name stands for.

    Raises:
        ConfigError: No class has this name; the nearest names are told.

    >>> INSTRUMENTS[row("Violin")].programs
    (40, 110)
    """
    names = [instrument.name for instrument in INSTRUMENTS]
    wanted = name.strip().lower()
    if wanted in names:
        return names.index(wanted)
    near = get_close_matches(wanted, names, n=3, cutoff=0.4) or names
    raise ConfigError(f"no instrument is called '{name}'; there are {', '.join(near)}")
