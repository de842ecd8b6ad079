"""Notes: what an instrument plays, from its pitch track.

A track has a pitch for every 10 ms, and here and there one that is an octave off or missing.

1. A frame sounds if the instrument is on and not 40 dB below its loudest.
2. Its pitch is the median of the sounding frames around it (5 frames), so that one or two wrong
   ones do not count. Gaps of up to 3 frames are closed if the pitch is the same on both sides.
3. A note ends where the pitch departs from the note's median by more than 0.7 semitones for longer
   than the shortest note: a vibrato or a glitch does not end it.
4. A rise of the level, smoothed in the same way, by 8 dB within 4 frames starts the same pitch
   anew.
5. What is shorter than 60 ms is no note.

Axes: ``i`` instruments, ``n`` frames.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musisep_cli.tones.tracks import PitchTracks

Values = NDArray[np.float64]

SHORTEST_S = 0.06
LONGEST_GAP_S = 0.033
SMOOTHING_S = 0.054
REPEAT_S = 0.043
REPEAT_DB = 8.0
SAME_SEMITONES = 0.7
RANGE_DB = 40.0
SILENT_DB = -300.0
MEMORY_S = 1.0
"""A long note's pitch is the median of its last second."""
A4_HZ, A4_MIDI = 440.0, 69
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
CSV_COLUMNS = (
    "stem", "onset_s", "offset_s", "midi", "detune_cents", "velocity", "note", "f0_hz", "level_db",
)  # fmt: skip
"""The first six as in the ``notes.csv`` of references, which `musisep evaluate` reads."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note.

    Attributes:
        onset_s: where it starts.
        offset_s: where it ends.
        f0_hz: median pitch.
        level_db: loudest frame of its strongest partial, re a full-scale sine.
    """

    onset_s: float
    offset_s: float
    f0_hz: float
    level_db: float

    @property
    def semitones(self) -> float:
        """Pitch as a MIDI number with a fraction."""
        return A4_MIDI + 12 * math.log2(self.f0_hz / A4_HZ)

    @property
    def midi(self) -> int:
        """The nearest key."""
        return round(self.semitones)

    @property
    def detune_cents(self) -> float:
        """From the nearest key, -50 to 50."""
        return 100 * (self.semitones - self.midi)

    @property
    def name(self) -> str:
        """The nearest key's name.

        >>> Note(onset_s=0, offset_s=1, f0_hz=442.0, level_db=0).name
        'A4'
        """
        return key_name(self.midi)

    def velocity(self, loudest_db: float) -> int:
        """MIDI velocity, 127 for the loudest: 40 log10(v / 127) dB, as General MIDI has it.

        >>> Note(onset_s=0, offset_s=1, f0_hz=440.0, level_db=-20.0).velocity(0.0)
        40
        """
        return max(1, min(127, round(127 * 10 ** ((self.level_db - loudest_db) / 40))))


def key_name(midi: int) -> str:
    """Name of a key, with C4 in the middle of the piano.

    >>> key_name(60), key_name(70)
    ('C4', 'A#4')
    """
    return f"{NAMES[midi % 12]}{midi // 12 - 1}"


def find_notes(tracks: PitchTracks) -> list[list[Note]]:
    """Notes of every instrument, in order."""
    return [_notes_of(tracks, number) for number in range(len(tracks.f0_hz))]


def loudest_db(notes: Sequence[Sequence[Note]]) -> float:
    """Level of the loudest note of all."""
    return max((note.level_db for line in notes for note in line), default=0.0)


def to_csv(notes: Sequence[Sequence[Note]], names: Sequence[str]) -> str:
    """A row per note, in order of time."""
    loudest = loudest_db(notes)
    lines = zip(names, notes, strict=True)
    rows = sorted(
        ((note.onset_s, name, note) for name, line in lines for note in line),
        key=lambda row: row[:2],
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for _, name, note in rows:
        times = (f"{note.onset_s:.3f}", f"{note.offset_s:.3f}")
        pitch = (note.midi, f"{note.detune_cents:.1f}", note.velocity(loudest), note.name)
        writer.writerow((name, *times, *pitch, f"{note.f0_hz:.2f}", f"{note.level_db:.1f}"))
    return text.getvalue()


def sounding(tracks: PitchTracks) -> NDArray[np.bool_]:
    """Whether an instrument is heard, ``[i, n]``."""
    heard: NDArray[np.bool_] = tracks.on & (tracks.f0_hz > 0) & (tracks.amplitude > 0)
    loudest = np.where(heard, tracks.amplitude, 0.0).max(axis=1, keepdims=True, initial=0.0)
    heard &= tracks.amplitude > loudest * 10 ** (-RANGE_DB / 20)
    return heard


def _notes_of(tracks: PitchTracks, number: int) -> list[Note]:
    hop_s = tracks.hop_s
    heard = sounding(tracks)[number]
    if not heard.any():
        return []
    f0_hz = np.where(heard, tracks.f0_hz[number], np.nan)
    pitch = _smoothed(A4_MIDI + 12 * np.log2(f0_hz / A4_HZ), _frames(SMOOTHING_S, hop_s))
    pitch = _closed(pitch, _frames(LONGEST_GAP_S, hop_s))
    level_db = 20 * np.log10(np.where(heard, 2 * tracks.amplitude[number], np.nan))
    shortest = _frames(SHORTEST_S, hop_s)
    notes = []
    steady_db = _smoothed(level_db, _frames(SMOOTHING_S, hop_s))
    for start, end in _segments(pitch, steady_db, hop_s):
        if end - start < shortest:
            continue
        middle = float(np.median(pitch[start:end]))
        notes.append(
            Note(
                onset_s=max(0.0, float(tracks.times_s[start]) - hop_s / 2),
                offset_s=float(tracks.times_s[end - 1]) + hop_s / 2,
                f0_hz=A4_HZ * 2 ** ((middle - A4_MIDI) / 12),
                level_db=float(np.nanmax(level_db[start:end])),
            )
        )
    return notes


def _frames(duration_s: float, hop_s: float) -> int:
    return max(1, round(duration_s / hop_s))


def _smoothed(pitch: Values, size: int) -> Values:
    """Median of the sounding frames around every sounding one.

    >>> _smoothed(np.array([60.0, 60.0, 72.0, 60.0, np.nan]), 3).tolist()
    [60.0, 60.0, 60.0, 66.0, nan]
    """
    reach = size // 2
    padded = np.pad(pitch, reach, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    smooth = np.full_like(pitch, np.nan)
    heard = np.isfinite(pitch)
    smooth[heard] = np.nanmedian(around[heard], axis=1)
    return smooth


def _closed(pitch: Values, longest_gap: int) -> Values:
    """The track with short gaps filled where the pitch is the same on both sides.

    >>> _closed(np.array([60.0, np.nan, 60.2, np.nan, 64.0]), 1).tolist()
    [60.0, 60.1, 60.2, nan, 64.0]
    """
    filled = pitch.copy()
    heard = np.flatnonzero(np.isfinite(pitch))
    for before, after in pairwise(heard):
        short = 1 < after - before <= longest_gap + 1
        if short and abs(pitch[after] - pitch[before]) < SAME_SEMITONES:
            filled[before + 1 : after] = round((pitch[before] + pitch[after]) / 2, 6)
    return filled


def _segments(pitch: Values, level_db: Values, hop_s: float) -> Iterator[tuple[int, int]]:
    """Start and end of every stretch of one pitch."""
    edges = np.flatnonzero(np.diff(np.isfinite(pitch), prepend=False, append=False))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        bounds = [start, *_changes(pitch, start, end, hop_s), end]
        for first, last in _merged(pitch, list(pairwise(bounds))):
            marks = [first, *_repeats(level_db, first, last, hop_s), last]
            yield from pairwise(marks)


def _changes(pitch: Values, start: int, end: int, hop_s: float) -> Iterator[int]:
    """Frames in a sounding stretch at which another pitch begins."""
    longest_glitch, memory = _frames(SHORTEST_S, hop_s), _frames(MEMORY_S, hop_s)
    first, n = start, start + 1
    while n < end:
        middle = np.median(pitch[max(first, n - memory) : n])
        n_away = 0
        while n + n_away < end and abs(pitch[n + n_away] - middle) > SAME_SEMITONES:
            n_away += 1
            if n_away >= longest_glitch:
                yield n
                first = n
                break
        n += max(n_away, 1)


def _merged(pitch: Values, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours of one pitch as one: the first crest of a vibrato is no note of its own.

    >>> _merged(np.array([60.0, 60.2, 60.4, 62.0]), [(0, 1), (1, 3), (3, 4)])
    [(0, 3), (3, 4)]
    """
    merged = parts[:1]
    for first, last in parts[1:]:
        before = merged[-1][0]
        if abs(np.median(pitch[first:last]) - np.median(pitch[before:first])) < SAME_SEMITONES:
            merged[-1] = (before, last)
        else:
            merged.append((first, last))
    return merged


def _repeats(level_db: Values, start: int, end: int, hop_s: float) -> Iterator[int]:
    """Frames in a note at which it is struck again: those that follow a dip and a fast rise."""
    reach, shortest = _frames(REPEAT_S, hop_s), _frames(SHORTEST_S, hop_s)
    n = start + shortest
    while n + shortest <= end:
        lowest = np.nanmin(level_db[max(start, n - reach) : n + reach + 1], initial=np.inf)
        ahead = np.nan_to_num(level_db[n : n + reach + 1], nan=SILENT_DB)
        if level_db[n] <= lowest and ahead.max() - ahead[0] >= REPEAT_DB:
            n += 1 + int(np.diff(ahead).argmax())  # where it rises most
            yield n
            n += shortest
        else:
            n += 1
