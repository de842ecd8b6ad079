"""Tables: notes and pitch tracks in CSV files, those of references, of users and of a finished run.

| columns | what it is |
| --- | --- |
| stem, onset_s, offset_s, midi[, detune_cents] | notes, of ``inspect --notes`` or references |
| instrument, time_s, f0_hz, on[, stem] | the ``pitch.csv`` of a separation, instruments from 1 |
| time_s, f0_hz[, confidence, voiced] | the pitch of one part |
| time_s, f0_1, f0_2, ... | the pitches of several parts, 0 where one is silent |
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from musisep_cli.errors import InputError
from musisep_cli.sound.pitch import frequency_hz

Row: TypeAlias = dict[str, str]
"""Cells of one row by the names of their columns."""
Convert: TypeAlias = Callable[[Row], tuple[str | float, ...]]
"""Turns a row of a CSV file, by names of columns, into values."""
ListedNote: TypeAlias = tuple[float, float, float]
"""Onset in s, offset in s, and pitch in Hz of a note."""


def columns_of(path: Path) -> list[str]:
    """Return the names of a CSV file's columns, empty if it has no first line.

    Raises:
        InputError: the file cannot be read, or is no text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as a table ({error}). Give a CSV file."
        ) from error


def numbers(*columns: str) -> Convert:
    """Return a function that turns a row into the numbers of some columns."""
    return lambda row: tuple(float(row[name]) for name in columns)


def read_rows(path: Path, convert: Convert) -> list[tuple[str | float, ...]]:
    """Read the rows of a CSV file, each converted; an error names the line.

    Raises:
        InputError: the file has no rows, a row has cells without a column, or a column or a number
            is missing.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        try:
            rows = [convert(_whole(row)) for row in reader]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise InputError(
                f"{path}, line {reader.line_num}: a column or a number is missing"
                f" ({type(error).__name__}: {error}). Correct the file or move it away."
            ) from error
    if not rows:
        raise InputError(f"{path}: holds no rows. Correct the file or move it away.")
    return rows


def _whole(row: Row) -> Row:
    """Return a row as it is, if it has no cells beyond the last column; ``csv`` keys them None."""
    if None in row:
        raise ValueError("more cells than columns")
    return row


def read_notes(path: Path) -> dict[str, list[ListedNote]]:
    """Read a ``notes.csv``, and return the notes of every stem by its name.

    Raises:
        InputError: the file has no rows, or a column or a number is missing.
    """
    notes: dict[str, list[ListedNote]] = {}
    for stem, *note in read_rows(path, _note):
        notes.setdefault(str(stem), []).append((float(note[0]), float(note[1]), float(note[2])))
    return notes


def _note(row: Row) -> tuple[str | float, ...]:
    """Return stem, onset in s, offset in s and pitch in Hz of one row."""
    detune_cents = float(row.get("detune_cents") or 0.0)
    f0_hz = frequency_hz(float(row["midi"]) + detune_cents / 100)
    return row["stem"], float(row["onset_s"]), float(row["offset_s"]), f0_hz


def names_of_run(path: Path) -> dict[int, str]:
    """Read the names of a separation's stems by their numbers from its ``pitch.csv``.

    Raises:
        InputError: the file has no rows, or a column or a number is missing.
    """
    pairs = read_rows(path, lambda row: (float(row["instrument"]), row["stem"]))
    return {int(number): str(name) for number, name in pairs}
