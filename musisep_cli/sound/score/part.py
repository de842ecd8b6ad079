"""Part: the notes that one instrument plays, as they are known beforehand.

A note has a pitch at one or several points of time: a note of a score at one, a note of a pitch
track at every frame of it. Everything that moves notes, in time or in pitch, returns new ones.

Axes: ``p`` points of a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.stem_names import LONGEST_NAME, RESERVED

Values: TypeAlias = NDArray[np.floating[Any]]
LARGEST_STEP = 1.5
"""Semitones from one frame of a track to the next beyond which another note begins."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownNote:
    """A note that is known beforehand.

    Attributes:
        onset_s: when it starts, in s.
        offset_s: when it ends, in s.
        times_s: points at which its pitch is known, rising, in s, ``[p]``.
        semitones: pitch at these points, MIDI numbers with a fraction, ``[p]``.
    """

    onset_s: float
    offset_s: float
    times_s: Values
    semitones: Values

    @classmethod
    def steady(cls, onset_s: float, offset_s: float, semitones: float) -> KnownNote:
        """Return a note of one pitch."""
        return cls(
            onset_s=onset_s,
            offset_s=offset_s,
            times_s=np.array([onset_s]),
            semitones=np.array([float(semitones)]),
        )

    @property
    def middle_semitones(self) -> float:
        """Return the median of its pitch, a MIDI number with a fraction."""
        return float(np.median(self.semitones))

    def at(self, times_s: Values) -> Values:
        """Return its pitch at some times: linear between its points, and held before and after.

        >>> times_s, semitones = np.array([0.0, 1.0]), np.array([60.0, 62.0])
        >>> note = KnownNote(onset_s=0, offset_s=2, times_s=times_s, semitones=semitones)
        >>> note.at(np.array([-1.0, 0.5, 2.0])).tolist()
        [60.0, 61.0, 62.0]
        """
        return np.interp(times_s, self.times_s, self.semitones)

    def moved(self, warp: Callable[[Values], Values]) -> KnownNote:
        """Return it at other times: ``warp`` turns times of the score into those of a recording."""
        onset_s, offset_s = warp(np.array([self.onset_s, self.offset_s])).tolist()
        return replace(
            self, onset_s=onset_s, offset_s=max(offset_s, onset_s), times_s=warp(self.times_s)
        )

    def transposed(self, semitones: float) -> KnownNote:
        """Return it higher by so many semitones."""
        return replace(self, semitones=self.semitones + semitones)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one instrument plays.

    Attributes:
        name: name of the part, and of its stem.
        notes: its notes, in order of their onsets; several may sound at once.
        is_contour: whether the pitch was measured frame by frame, and not written as notes.
        until_s: until when that was done, in s, silence included; notes have no such end.
    """

    name: str
    notes: tuple[KnownNote, ...]
    is_contour: bool = False
    until_s: float = np.inf

    @property
    def end_s(self) -> float:
        """Return when its last note ends, in s; 0 without notes."""
        return max((note.offset_s for note in self.notes), default=0.0)

    @property
    def sounding_s(self) -> float:
        """Return how long its notes sound, in s, each counted by itself."""
        return sum(note.offset_s - note.onset_s for note in self.notes)

    def with_notes(self, notes: Iterable[KnownNote]) -> Part:
        """Return the part with other notes, put in order."""
        return replace(self, notes=tuple(sorted(notes, key=lambda note: note.onset_s)))

    def moved(self, warp: Callable[[Values], Values]) -> Part:
        """Return it at other times."""
        return self.with_notes(note.moved(warp) for note in self.notes)

    def transposed(self, semitones: float) -> Part:
        """Return it higher by so many semitones."""
        return self.with_notes(note.transposed(semitones) for note in self.notes)


def notes_of_track(times_s: Values, semitones: Values) -> list[KnownNote]:
    """Return the stretches of a pitch track in which it sounds, each as one note.

    A leap that no voice slides over within one step ends a stretch too.

    Args:
        times_s: rising, ``[n]``.
        semitones: MIDI numbers, NaN where nothing sounds, ``[n]``.

    >>> track = notes_of_track(np.arange(5.0), np.array([60.0, 60.5, np.nan, 64.0, 70.0]))
    >>> [(note.onset_s, note.offset_s, note.semitones.tolist()) for note in track]
    [(0.0, 1.5, [60.0, 60.5]), (2.5, 3.5, [64.0]), (3.5, 4.5, [70.0])]
    """
    hop_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    sounds = np.isfinite(semitones)
    starts = sounds.copy()
    starts[1:] &= ~(sounds[:-1] & (np.abs(np.diff(semitones)) <= LARGEST_STEP))
    firsts = np.flatnonzero(starts)
    notes = []
    for first, following in pairwise([*firsts.tolist(), len(sounds)]):
        silent = np.flatnonzero(~sounds[first:following])
        last = first + (int(silent[0]) if len(silent) else following - first)
        notes.append(
            KnownNote(
                onset_s=max(float(times_s[first]) - hop_s / 2, 0.0),
                offset_s=float(times_s[last - 1]) + hop_s / 2,
                times_s=times_s[first:last],
                semitones=semitones[first:last],
            )
        )
    return notes


def stem_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of parts as names of files: safe on every system, and each once.

    >>> stem_names(["Violin I", "Violin I", "", "residual", "Fl./Picc."])
    ('Violin-I', 'Violin-I-2', 'part-3', 'residual-part', 'Fl.-Picc')
    """
    found: list[str] = []
    for number, name in enumerate(names, 1):
        safe = re.sub(r"[^\w.+-]+", "-", name.strip())[:LONGEST_NAME].strip(".-_")
        safe = safe or f"part-{number}"
        if safe.lower() in RESERVED or safe.lower().startswith(("without-", "instrument-")):
            safe = f"{safe}-part"
        unique, count = safe, 1
        while unique.lower() in {other.lower() for other in found}:
            count += 1
            unique = f"{safe}-{count}"
        found.append(unique)
    return tuple(found)
