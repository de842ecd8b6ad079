"""Annotations: pitch tracks in CSV files, those of the references and those of a separation.

| file | columns |
| --- | --- |
| ``notes.csv`` beside the references | stem, onset_s, offset_s, midi, velocity, detune_cents |
| ``<reference>_f0.csv`` beside the references | time_s, f0_hz, confidence, voiced |
| ``pitch.csv`` beside the stems | instrument (from 1), time_s, f0_hz, amplitude, on[, stem] |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics import PitchTrack
from musisep_cli.sound.score.tables import (
    ListedNote,
    columns_of,
    names_of_run,
    numbers,
    read_notes,
    read_rows,
)

GRID_S = 0.01
"""Distance in s between the frames of a track that is made from notes, as in the evaluation of
melodies (MIREX)."""


def annotated_tracks(
    references: Sequence[Path], duration_s: float, part_start_s: float | None = None
) -> dict[str, PitchTrack]:
    """Read the annotated pitch tracks of the references that have one.

    Args:
        references: sound files, beside which the annotations lie. If a reference has both, its
            ``_f0.csv`` is taken and not ``notes.csv``.
        duration_s: length in s of what is scored, and of a track that is made from notes.
        part_start_s: where what is scored begins in the annotated recording, in s; None for all.

    Returns:
        Name of the reference (its file name without suffix) to its track.

    Raises:
        InputError: an annotation is damaged.
    """
    tracks: dict[str, PitchTrack] = {}
    until_s = (part_start_s or 0.0) + duration_s
    for path in references:
        contour, notes = path.with_name(f"{path.stem}_f0.csv"), path.with_name("notes.csv")
        if contour.is_file():
            tracks[path.stem] = read_contour(contour)
        elif notes.is_file() and (listed := read_notes(notes).get(path.stem)):
            tracks[path.stem] = sample_notes(listed, until_s)
    if part_start_s is None:
        return tracks
    parts = {name: track.part(part_start_s, until_s) for name, track in tracks.items()}
    return {name: part for name, part in parts.items() if len(part.time_s)}


def read_contour(path: Path) -> PitchTrack:
    """Read the track of a ``*_f0.csv``; its pitch is 0 (silence) where it is not voiced.

    Raises:
        InputError: the file has no rows, or a column or a number is missing.
    """
    rows = read_rows(path, numbers("time_s", "f0_hz", "voiced"))
    time_s, f0_hz, voiced = np.array(rows, dtype=np.float64).T
    f0_hz[voiced <= 0] = 0.0
    return PitchTrack(time_s, f0_hz[:, None])


def sample_notes(notes: Sequence[ListedNote], duration_s: float) -> PitchTrack:
    """Return a track with the notes on a grid of ``GRID_S``, 0 where none sounds.

    Notes that sound at the same time stand in different columns.

    Args:
        notes: notes of one instrument in any order.
        duration_s: length of the track in s.

    >>> sample_notes([(0.0, 0.02, 440.0), (0.01, 0.03, 220.0)], 0.04).f0_hz.tolist()
    [[440.0, 0.0], [440.0, 220.0], [0.0, 220.0], [0.0, 0.0]]
    """
    time_s = np.arange(round(duration_s / GRID_S), dtype=np.float64) * GRID_S
    columns: list[NDArray[np.float64]] = []
    free_from_s: list[float] = []
    for onset_s, offset_s, f0_hz in sorted(notes):
        free = [voice for voice, end_s in enumerate(free_from_s) if end_s <= onset_s]
        if not free:
            free = [len(columns)]
            columns.append(np.zeros(len(time_s)))
            free_from_s.append(0.0)
        columns[free[0]][round(onset_s / GRID_S) : round(offset_s / GRID_S)] = f0_hz
        free_from_s[free[0]] = offset_s
    return PitchTrack(time_s, np.stack(columns, axis=1))


def found_tracks(folder: Path) -> dict[int, PitchTrack]:
    """Read the pitch tracks that a separation found, from the ``pitch.csv`` in its folder.

    Returns:
        Number of the instrument, from 1, to its track; empty if there is no ``pitch.csv``. Where
        the instrument was found to be silent, its pitch has a minus sign: mir_eval scores such a
        pitch, and counts the frame as unvoiced.

    Raises:
        InputError: the file has no rows, or a column or a number is missing.
    """
    path = folder / "pitch.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path, numbers("instrument", "time_s", "f0_hz", "on"))
    table = np.array(rows, dtype=np.float64)
    tracks = {}
    for instrument in np.unique(table[:, 0]):
        _, time_s, f0_hz, on = table[table[:, 0] == instrument].T
        order = np.argsort(time_s)
        signed = np.where(on > 0, f0_hz, -f0_hz)
        tracks[int(instrument)] = PitchTrack(time_s[order], signed[order, None])
    return tracks


def found_names(folder: Path) -> dict[str, int]:
    """Read the numbers of the instruments by the names of their stems, from a ``pitch.csv``.

    Returns:
        Names of stems to numbers, from 1; empty if there is no such file, or it names none: the
        stems are counted then.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / "pitch.csv"
    if not path.is_file() or "stem" not in columns_of(path):
        return {}
    return {name: number for number, name in names_of_run(path).items()}
