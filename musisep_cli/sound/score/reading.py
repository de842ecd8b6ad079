"""Reading: the parts that are known of a recording, from the files that a user gives.

A file says by its content what it is: MIDI by its first bytes, a table by its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musisep_cli.errors import InputError
from musisep_cli.sound.pitch import midi_number
from musisep_cli.sound.score.midi_file import read_midi
from musisep_cli.sound.score.part import KnownNote, Part, Values, notes_of_track, stem_names
from musisep_cli.sound.score.tables import columns_of, names_of_run, numbers, read_notes, read_rows

LOWEST_HZ, HIGHEST_HZ = 20.0, 4000.0
"""Bounds of a pitch in Hz; the frequencies beyond are none of a melody, and mostly a mistake."""
NEED = (
    "Give MIDI, a notes.csv, the pitch.csv of a run, or CSV files with the columns time_s and "
    "f0_hz, or time_s, f0_1, f0_2, ..."
)


@dataclass(frozen=True)
class Score:
    """What is known of a recording.

    Attributes:
        parts: the parts, each with its own name.
        is_of_run: whether it is what a separation found, whose times count from where that began.
    """

    parts: tuple[Part, ...]
    is_of_run: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parts, and of their stems."""
        return tuple(part.name for part in self.parts)


def read_score(paths: Sequence[Path]) -> Score:
    """Read all files that tell of one recording, the parts in the order of the files.

    Raises:
        InputError: one cannot be read, is damaged, or holds no note that can be used.
    """
    read = [_read(path) for path in paths]
    found = [part for score in read for part in score.parts]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: holds no part with notes. {NEED}")
    names = stem_names([part.name for part in found])
    if all(part.name.startswith("instrument-") for part in found):
        names = tuple(part.name for part in found)  # of a blind run: they keep their names
    parts = [replace(part, name=name) for part, name in zip(found, names, strict=True)]
    return Score(tuple(parts), is_of_run=all(score.is_of_run for score in read))


def _read(path: Path) -> Score:
    """Read one file, whatever it is, and check what it holds."""
    columns = set()
    if _is_midi(path):
        parts, is_of_run = read_midi(path), False
    else:
        columns = set(columns_of(path))
        parts, is_of_run = _of_table(path, columns), {"instrument", "f0_hz"} <= columns
    for part in parts:
        _check(path, part)
    return Score(tuple(parts), is_of_run)


def _is_midi(path: Path) -> bool:
    """Return whether a file begins as MIDI does."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). {NEED}") from error
    return start.startswith(b"MThd") or (start.startswith(b"RIFF") and start.endswith(b"RMID"))


def _of_table(path: Path, columns: set[str]) -> list[Part]:
    """Return the parts of a CSV file by its columns.

    Raises:
        InputError: it has the columns of none of the tables that are known.
    """
    if {"stem", "onset_s", "offset_s", "midi"} <= columns:
        return _of_notes(path)
    if {"instrument", "time_s", "f0_hz"} <= columns:
        return _of_run(path, named="stem" in columns)
    if {"time_s", "f0_hz"} <= columns:
        return [_contour(path, "voiced" if "voiced" in columns else "")]
    wide = sorted((c for c in columns if c.startswith("f0_")), key=lambda c: (len(c), c))
    if "time_s" in columns and wide:
        table = np.array(read_rows(path, numbers("time_s", *wide)), dtype=np.float64)
        times_s = _rising(path, table[:, 0])
        return [
            _track(path, column.removeprefix("f0_"), times_s, table[:, number], wide=True)
            for number, column in enumerate(wide, 1)
        ]
    found = ", ".join(sorted(columns)[:6]) or "nothing"
    raise InputError(f"{path}: is no table of pitches; its first line holds {found}. {NEED}")


def _of_notes(path: Path) -> list[Part]:
    """Return the parts of a list of notes."""
    parts = []
    for stem, listed in read_notes(path).items():
        notes = []
        for onset_s, offset_s, f0_hz in listed:
            if not np.isfinite([onset_s, offset_s, f0_hz]).all() or not 0 <= onset_s <= offset_s:
                raise InputError(
                    f"{path}: a note of {stem} lasts from {onset_s} s to {offset_s} s, and that is "
                    "no time. Correct the file."
                )
            notes.append(KnownNote.steady(onset_s, offset_s, midi_number(f0_hz)))
        parts.append(Part(name=stem, notes=()).with_notes(notes))
    return parts


def _of_run(path: Path, *, named: bool) -> list[Part]:
    """Return the parts of the ``pitch.csv`` of a separation."""
    rows = read_rows(path, numbers("instrument", "time_s", "f0_hz", "on"))
    table = np.array(rows, dtype=np.float64)
    names = names_of_run(path) if named else {}
    parts = []
    for instrument in np.unique(table[:, 0]).astype(int).tolist():
        _, times_s, f0_hz, on = table[table[:, 0] == instrument].T
        name = names.get(instrument, f"instrument-{instrument}")
        parts.append(_track(path, name, _rising(path, times_s), np.where(on > 0, f0_hz, 0.0)))
    return parts


def _contour(path: Path, voiced: str) -> Part:
    """Return the part of a file with one pitch track; its name is that of the file."""
    columns = ("time_s", "f0_hz", voiced) if voiced else ("time_s", "f0_hz")
    table = np.array(read_rows(path, numbers(*columns)), dtype=np.float64)
    f0_hz = np.where(table[:, 2] > 0, table[:, 1], 0.0) if voiced else table[:, 1]
    name = path.stem.removesuffix("_f0").removesuffix("-f0")
    return _track(path, name, _rising(path, table[:, 0]), f0_hz)


def _rising(path: Path, times_s: Values) -> Values:
    """Return times as they are, if they are finite and rise.

    Raises:
        InputError: they do not.
    """
    wrong = np.flatnonzero(~np.isfinite(times_s) | (np.diff(times_s, prepend=-np.inf) <= 0))
    if len(wrong):
        raise InputError(
            f"{path}: times must be finite and increase, and after {wrong[0]} rows they do not "
            f"({times_s[wrong[0]]:g} s). Sort the rows."
        )
    return times_s


def _track(path: Path, name: str, times_s: Values, f0_hz: Values, *, wide: bool = False) -> Part:
    """Return the part of a pitch track, 0 Hz where nothing sounds.

    Raises:
        InputError: a pitch is not a number, negative, or out of bounds.
    """
    bad = np.flatnonzero(
        ~np.isfinite(f0_hz)
        | (f0_hz < 0)
        | ((f0_hz > 0) & ((f0_hz < LOWEST_HZ) | (f0_hz > HIGHEST_HZ)))
    )
    if len(bad):
        raise InputError(
            f"{path}: the pitch of {name or 'a part'} at {times_s[bad[0]]:.3f} s is "
            f"{f0_hz[bad[0]]:g} Hz; needed is 0 (silent), or {LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz. "
            "Correct the file."
        )
    sounds = f0_hz > 0
    semitones = np.where(sounds, midi_number(np.where(sounds, f0_hz, 440.0)), np.nan)
    notes = notes_of_track(times_s, semitones)
    shown = f"part-{name}" if wide else name
    return Part(name=shown, notes=tuple(notes), is_contour=True, until_s=float(times_s[-1]))


def _check(path: Path, part: Part) -> None:
    """Refuse a part that never sounds, or whose notes are out of bounds.

    Raises:
        InputError: it is such a part.
    """
    if not part.notes or part.sounding_s <= 0:
        raise InputError(
            f"{path}: {part.name or 'a part'} never sounds. Leave it out, or correct the file."
        )
    lowest, highest = midi_number(LOWEST_HZ), midi_number(HIGHEST_HZ)
    for note in part.notes:
        low, high = float(note.semitones.min()), float(note.semitones.max())
        if not lowest <= low <= high <= highest:
            raise InputError(
                f"{path}: {part.name or 'a part'} has a note of MIDI number "
                f"{low if low < lowest else high:.1f} at {note.onset_s:.3f} s; needed is "
                f"{lowest:.0f} to {highest:.0f} ({LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz)."
            )
