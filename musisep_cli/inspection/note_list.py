"""Note list: the notes of an instrument, found in its pitch track.

A pitch track has a pitch for every 10 ms; now and then one is missing or an octave off.

1. A frame sounds if the instrument is on and less than 40 dB below its loudest frame.
2. The pitch of a frame is the median of the sounding frames around it (5 frames), so that one or
   two wrong ones do not count. Gaps of up to 3 frames are closed if the pitch is the same on both
   sides.
3. A note ends where the pitch departs from the note's median by more than 0.7 semitones for longer
   than the shortest note lasts. So neither a vibrato nor a single wrong frame ends it.
4. Where the level, smoothed in the same way, rises by 8 dB within 4 frames, a new note of the same
   pitch begins.
5. A stretch shorter than 60 ms is not a note.

Axes: ``i`` instruments, ``n`` frames.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.level import decibels_of
from musisep_cli.sound.pitch import frequency_hz, midi_number, note_name
from musisep_cli.tones.tones import NOTE_SEMITONES
from musisep_cli.tones.tracks import PitchTracks

Values = NDArray[np.float64]

SHORTEST_S = 0.06
"""Length of the shortest note in s, rule 5; a sixteenth at 240 beats a minute."""
LONGEST_GAP_S = 0.033
"""Length of the longest gap in s that is closed, rule 2: 3 frames."""
SMOOTHING_S = 0.054
"""Length in s of the median filter of rule 2: 5 frames."""
REPEAT_S = 0.043
"""Time in s within which the level of a repeated note rises, rule 4: 4 frames."""
REPEAT_DB = 8.0
"""Rise of the level in dB by which a repeated note is known, rule 4."""
RANGE_DB = 40.0
"""Level in dB below the instrument's loudest frame from which on a frame is silent, rule 1."""
SILENT_DB = -300.0
"""Level in dB that stands for silence where levels are compared."""
SLOWEST_SLIDE, FASTEST_SLIDE = 2.0, 40.0
"""Speeds of a slide in semitones a second: below it the pitch rests or wavers, above it leaps."""
SHORTEST_SLIDE_S = 0.12
"""Length of the shortest slide in s: what takes less is a step of a melody."""
SLIDE_STEP = 0.05
"""Movement in semitones that makes another point of a slide."""
MEMORY_S = 1.0
"""Length in s of the end of a note, whose median is its pitch for rule 3: long notes may drift."""
CSV_COLUMNS = (
    "stem", "onset_s", "offset_s", "midi", "detune_cents", "velocity", "note", "f0_hz", "level_db",
)  # fmt: skip
"""Columns of a list of notes. `musisep evaluate` reads the first six from the ``notes.csv`` of
references too."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note: one pitch that one instrument plays for some time.

    Attributes:
        onset_s: when it starts, in s.
        offset_s: when it ends, in s.
        f0_hz: median of its pitch in Hz.
        level_db: level of its loudest frame in dB: its strongest partial relative to a full-scale
            sine.
        slide: times in s and pitches as MIDI numbers with a fraction, if it slides.
    """

    onset_s: float
    offset_s: float
    f0_hz: float
    level_db: float
    slide: tuple[tuple[float, float], ...] = ()

    @property
    def semitones(self) -> float:
        """Return the pitch as a MIDI number with its fraction."""
        return midi_number(self.f0_hz)

    @property
    def midi(self) -> int:
        """Return the MIDI number of the nearest key."""
        return round(self.semitones)

    @property
    def detune_cents(self) -> float:
        """Return how many cents the pitch lies above the nearest key, -50 to 50."""
        return 100 * (self.semitones - self.midi)

    @property
    def name(self) -> str:
        """Return the name of the nearest key.

        >>> Note(onset_s=0, offset_s=1, f0_hz=442.0, level_db=0).name
        'A4'
        """
        return note_name(self.midi)

    def velocity(self, loudest_db: float) -> int:
        """Return the MIDI velocity v, 1 to 127.

        General MIDI defines the level of a velocity as 40 log10(v / 127) dB.

        Args:
            loudest_db: level in dB of the note that has the velocity 127.

        >>> Note(onset_s=0, offset_s=1, f0_hz=440.0, level_db=-20.0).velocity(0.0)
        40
        """
        return max(1, min(127, round(127 * 10 ** ((self.level_db - loudest_db) / 40))))


def find_notes(tracks: PitchTracks) -> list[list[Note]]:
    """Return the notes of every instrument, in order of time; of a chord the lowest first."""
    heard = sounding(tracks)
    return [
        sorted(
            (note for v in tracks.voices(number) for note in _notes_of(tracks, v, heard[v])),
            key=lambda note: (note.onset_s, note.f0_hz),
        )
        for number in range(tracks.n_instruments)
    ]


def loudest_db(notes: Sequence[Sequence[Note]]) -> float:
    """Return the level of the loudest note of all in dB, 0 if there is none."""
    return max((note.level_db for line in notes for note in line), default=0.0)


def to_csv(notes: Sequence[Sequence[Note]], names: Sequence[str]) -> str:
    """Return notes as the text of a CSV file with one row per note, in order of time.

    Args:
        notes: notes of every instrument.
        names: names of the instruments, of their stems.
    """
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
    """Return in which frames each voice sounds (rule 1), ``[v, n]``."""
    heard: NDArray[np.bool_] = tracks.on & (tracks.f0_hz > 0) & (tracks.amplitude > 0)
    loudest = np.where(heard, tracks.amplitude, 0.0).max(axis=1, keepdims=True, initial=0.0)
    heard &= tracks.amplitude > loudest * 10 ** (-RANGE_DB / 20)
    return heard


def _notes_of(tracks: PitchTracks, voice: int, heard: NDArray[np.bool_]) -> list[Note]:
    """Return the notes of one voice, by its row, from the frames ``[n]`` in which it sounds."""
    hop_s = tracks.hop_s
    if not heard.any():
        return []
    f0_hz = np.where(heard, tracks.f0_hz[voice], np.nan)
    pitch = _smoothed(midi_number(f0_hz), _frames(SMOOTHING_S, hop_s))
    pitch = _closed(pitch, _frames(LONGEST_GAP_S, hop_s))
    # A sine has twice the amplitude of its peak in the spectrum. Silence is NaN, not a low level.
    level_db = decibels_of(np.where(heard, 2 * tracks.amplitude[voice], np.nan))
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
                f0_hz=frequency_hz(middle),
                level_db=float(np.nanmax(level_db[start:end])),
                slide=_slide(pitch, start, end, tracks),
            )
        )
    return notes


def _frames(duration_s: float, hop_s: float) -> int:
    """Return the number of frames in a time, at least 1."""
    return max(1, round(duration_s / hop_s))


def _smoothed(pitch: Values, size: int) -> Values:
    """Return the median of the sounding frames around every sounding one; silent ones stay NaN.

    Args:
        pitch: one value per frame, NaN where it is silent, ``[n]``.
        size: length of the median filter in frames.

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
    """Return a pitch track with short gaps filled where the pitch is the same on both sides.

    Args:
        pitch: MIDI numbers, NaN where it is silent, ``[n]``.
        longest_gap: in frames.

    >>> _closed(np.array([60.0, np.nan, 60.2, np.nan, 64.0]), 1).tolist()
    [60.0, 60.1, 60.2, nan, 64.0]
    """
    filled = pitch.copy()
    heard = np.flatnonzero(np.isfinite(pitch))
    for before, after in pairwise(heard):
        short = 1 < after - before <= longest_gap + 1
        if short and abs(pitch[after] - pitch[before]) < NOTE_SEMITONES:
            filled[before + 1 : after] = round((pitch[before] + pitch[after]) / 2, 6)
    return filled


def _segments(pitch: Values, level_db: Values, hop_s: float) -> Iterator[tuple[int, int]]:
    """Yield the first frame of every note, and the first after it; short ones too.

    Args:
        pitch: MIDI numbers, NaN where it is silent, ``[n]``.
        level_db: levels in dB, NaN where it is silent, ``[n]``.
        hop_s: time from frame to frame in s.
    """
    edges = np.flatnonzero(np.diff(np.isfinite(pitch), prepend=False, append=False))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        bounds = [start, *_changes(pitch, start, end, hop_s), end]
        parts = _merged(pitch, list(pairwise(bounds)))
        for first, last in _joined(parts, _sliding(pitch, hop_s)):
            marks = [first, *_repeats(level_db, first, last, hop_s), last]
            yield from pairwise(marks)


def _changes(pitch: Values, start: int, end: int, hop_s: float) -> Iterator[int]:
    """Yield the frames of a sounding stretch at which another pitch begins (rule 3)."""
    longest_glitch, memory = _frames(SHORTEST_S, hop_s), _frames(MEMORY_S, hop_s)
    first, n = start, start + 1
    while n < end:
        middle = np.median(pitch[max(first, n - memory) : n])
        n_away = 0
        while n + n_away < end and abs(pitch[n + n_away] - middle) > NOTE_SEMITONES:
            n_away += 1
            if n_away >= longest_glitch:
                yield n
                first = n
                break
        n += max(n_away, 1)


def _merged(pitch: Values, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join neighbouring stretches of one pitch: a vibrato's first crest is no note of its own.

    Args:
        pitch: MIDI numbers, ``[n]``.
        parts: first frame of every stretch, and the first after it.

    >>> _merged(np.array([60.0, 60.2, 60.4, 62.0]), [(0, 1), (1, 3), (3, 4)])
    [(0, 3), (3, 4)]
    """
    merged = parts[:1]
    for first, last in parts[1:]:
        before = merged[-1][0]
        if abs(np.median(pitch[first:last]) - np.median(pitch[before:first])) < NOTE_SEMITONES:
            merged[-1] = (before, last)
        else:
            merged.append((first, last))
    return merged


def _sliding(pitch: Values, hop_s: float) -> NDArray[np.bool_]:
    """Return whether the pitch slides on from a frame to the next, ``[n]``.

    It does where it moves one way, neither at rest nor in a leap, for longer than a step from one
    note to the next takes.

    >>> rising = np.concatenate([np.full(20, 60.0), np.linspace(60, 65, 40), np.full(20, 65.0)])
    >>> np.flatnonzero(_sliding(rising, 0.01))[[0, -1]].tolist()
    [20, 58]
    """
    speed = np.diff(pitch, append=np.nan) / hop_s  # semitones a second
    moves = (np.abs(speed) >= SLOWEST_SLIDE) & (np.abs(speed) <= FASTEST_SLIDE)
    way = np.where(moves, np.sign(speed), 0.0)
    edges = np.flatnonzero(np.diff(way, prepend=0.0, append=0.0))
    sliding = np.zeros(len(pitch), dtype=bool)
    for start, end in pairwise(edges):
        if way[start] != 0 and (end - start) * hop_s >= SHORTEST_SLIDE_S:
            sliding[start:end] = True
    return sliding


def _joined(parts: list[tuple[int, int]], sliding: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the parts, with neighbours as one between which the pitch slides.

    >>> _joined([(0, 3), (3, 6), (6, 9)], np.array([0, 0, 1, 1, 0, 0, 0, 0, 0], bool))
    [(0, 6), (6, 9)]
    """
    joined = parts[:1]
    for first, last in parts[1:]:
        if sliding[first - 1] and sliding[first]:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _slide(
    pitch: Values, start: int, end: int, tracks: PitchTracks
) -> tuple[tuple[float, float], ...]:
    """Return times and pitches of a note that slides, where they change; none of another."""
    sliding = _sliding(pitch[start:end], tracks.hop_s)
    span = np.ptp(pitch[start:end][sliding]) if sliding.any() else 0.0
    if span < NOTE_SEMITONES:
        return ()
    points = [(float(tracks.times_s[start]), float(pitch[start]))]
    for n in range(start + 1, end):
        if abs(pitch[n] - points[-1][1]) >= SLIDE_STEP:
            points.append((float(tracks.times_s[n]), float(pitch[n])))
    return tuple(points)


def _repeats(level_db: Values, start: int, end: int, hop_s: float) -> Iterator[int]:
    """Yield the frames of a note at which it is struck again: a dip and a fast rise (rule 4)."""
    reach, shortest = _frames(REPEAT_S, hop_s), _frames(SHORTEST_S, hop_s)
    n = start + shortest
    while n + shortest <= end:
        lowest = np.nanmin(level_db[max(start, n - reach) : n + reach + 1], initial=np.inf)
        ahead = np.nan_to_num(level_db[n : n + reach + 1], nan=SILENT_DB)
        if level_db[n] <= lowest and ahead.max() - ahead[0] >= REPEAT_DB:
            n += 1 + int(np.diff(ahead).argmax())  # the frame of the steepest rise
            yield n
            n += shortest
        else:
            n += 1
