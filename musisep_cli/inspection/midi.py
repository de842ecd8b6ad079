"""MIDI: notes as a standard MIDI file of format 1, one track per instrument.

Each instrument has a channel of its own, so that the pitch bend before every note, which gives its
cents, does not move the other instruments. From the 16th instrument on channels repeat. A program
of General MIDI is guessed from the timbre (``general_midi``); a text beside it says why. A tick is
1/960 s.

    MThd  6 bytes  format 1, number of tracks, ticks per quarter note
    MTrk  tempo
    MTrk  name, text, program, bend range, (bend, note on, note off) ...      for every instrument
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.inspection.general_midi import Program, guess_program
from musisep_cli.inspection.note_list import Note, loudest_db

TICKS_PER_QUARTER = 480
"""Ticks of a quarter note, by which the file measures time: a usual number, 1 ms of resolution."""
QUARTER_US = 500_000
"""Length of a quarter note in microseconds: 120 beats a minute, MIDI's default tempo."""
TICKS_PER_S = TICKS_PER_QUARTER * 1_000_000 // QUARTER_US
"""Ticks of a second."""
CHANNELS = tuple(channel for channel in range(16) if channel != 9)
"""Channels in use: all but the tenth, which General MIDI gives to drums."""
BEND_SEMITONES = 2
"""Semitones of the largest pitch bend up or down: the default of General MIDI."""
MOST_BEND_SEMITONES = 24
"""The widest that synthesizers commonly take."""
BEND_CENTRE, BEND_MOST = 8192, 16_383
"""Values of no pitch bend and of the largest one up, 14 bits each."""
NO_PITCH = 60.0
"""MIDI number that stands for the pitch of an instrument without notes."""
Event = tuple[int, int, bytes]
"""Tick, order within the tick, and message."""


def to_midi(
    notes: Sequence[Sequence[Note]],
    names: Sequence[str],
    dictionary: NDArray[np.floating[Any]] | None = None,
) -> bytes:
    """Return the content of a MIDI file with the notes of all instruments.

    Args:
        notes: notes of every instrument.
        names: names of the instruments.
        dictionary: their relative harmonic amplitudes ``[h, i]``, from which programs are guessed;
            None if they are not known: every instrument is a piano.

    >>> to_midi([[]], ["flute"])[:14].hex()
    '4d546864000000060001000201e0'
    """
    loudest = loudest_db(notes)
    tempo = b"\xff\x51\x03" + QUARTER_US.to_bytes(3, "big")
    tracks = [_track([(0, 0, tempo)])]
    for number, (name, line) in enumerate(zip(names, notes, strict=True)):
        channel = CHANNELS[number % len(CHANNELS)]
        program = _program(line, None if dictionary is None else dictionary[:, number])
        opening = _opening(name, program, channel)
        tracks.append(_track([*opening, *_events(line, channel, loudest)]))
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_QUARTER)
    return header + b"".join(tracks)


def _program(line: Sequence[Note], timbre: NDArray[np.floating[Any]] | None) -> Program:
    """Return the program of an instrument by its timbre ``[h]`` and the median of its notes."""
    pitches = [note.semitones for note in line]
    return guess_program(
        np.zeros(0) if timbre is None else timbre,
        float(np.median(pitches)) if pitches else NO_PITCH,
    )


def _opening(name: str, program: Program, channel: int) -> list[Event]:
    """Return the messages before the notes: name, program, and range of the pitch bend.

    The range is set by registered parameter 0, in controllers 101 and 100; its value goes to the
    controllers 6 (semitones) and 38 (cents).
    """
    control = 0xB0 | channel
    bend_range = [(101, 0), (100, 0), (6, BEND_SEMITONES), (38, 0), (101, 127), (100, 127)]
    return [
        (0, 0, _text(0x03, name)),
        (0, 0, _text(0x01, f"General MIDI program guessed: {program.name}; {program.reason}")),
        (0, 0, bytes([0xC0 | channel, program.number])),
        *((0, 0, bytes([control, number, value])) for number, value in bend_range),
    ]


def _text(kind: int, text: str) -> bytes:
    """Return a text event: kind 1 is any text, kind 3 the name of the track."""
    content = text.encode("utf-8")
    return bytes([0xFF, kind]) + variable_length(len(content)) + content


def _events(line: Iterable[Note], channel: int, loudest: float) -> list[Event]:
    """Return the bend, the start and the end of every note.

    At one tick ends come before bends, and bends before starts.

    Args:
        line: notes of one instrument.
        channel: its channel.
        loudest: level in dB of the note with the velocity 127.
    """
    notes = list(line)
    span = _bend_span(notes)
    events: list[Event] = [(0, 0, message) for message in _wider_bend(span, channel)]
    for note in notes:
        key = min(max(note.midi, 0), 127)
        onset = round(note.onset_s * TICKS_PER_S)
        offset = max(round(note.offset_s * TICKS_PER_S), onset + 1)
        bends = [(onset, note.semitones), *_slide_ticks(note, onset, offset)]
        events += [
            *((tick, 1, _bend(semitones - key, span, channel)) for tick, semitones in bends),
            (onset, 2, bytes([0x90 | channel, key, note.velocity(loudest)])),
            (offset, 0, bytes([0x80 | channel, key, 0])),
        ]
    return events


def _slide_ticks(note: Note, onset: int, offset: int) -> list[tuple[int, float]]:
    """Return tick and pitch of every point of a slide, within its note."""
    ticks = [(round(time_s * TICKS_PER_S), pitch) for time_s, pitch in note.slide]
    return [(min(max(tick, onset), offset - 1), pitch) for tick, pitch in ticks]


def _bend_span(notes: Iterable[Note]) -> int:
    """Return the semitones that a bend has to reach: the usual ones, or what a slide takes."""
    farthest = max((abs(pitch - note.midi) for note in notes for _, pitch in note.slide), default=0)
    return min(max(BEND_SEMITONES, math.ceil(farthest)), MOST_BEND_SEMITONES)


def _wider_bend(span: int, channel: int) -> list[bytes]:
    """Return the messages that widen the range of bends (registered parameter 0) if needed."""
    if span == BEND_SEMITONES:
        return []
    values = [(101, 0), (100, 0), (6, span), (38, 0), (101, 127), (100, 127)]
    return [bytes([0xB0 | channel, number, value]) for number, value in values]


def _bend(semitones: float, span: int, channel: int) -> bytes:
    """Return the message that bends the pitch by so many semitones, of ``span`` at most.

    What the nearest key lacks, in [-span, span] semitones, goes linearly to [0, 16383].
    """
    within = min(max(semitones, -span), span)
    bend = min(round(BEND_CENTRE * (1 + within / span)), BEND_MOST)
    return bytes([0xE0 | channel, bend & 0x7F, bend >> 7])


def _track(events: Iterable[Event]) -> bytes:
    """Return a track chunk: every message after its distance in ticks from the one before."""
    now = 0
    parts = []
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        parts += [variable_length(tick - now), message]
        now = tick
    body = b"".join(parts) + b"\x00\xff\x2f\x00"  # the last message is "end of track"
    return b"MTrk" + struct.pack(">I", len(body)) + body


def variable_length(number: int) -> bytes:
    """Return a number in groups of seven bits, the highest first; all but the last have bit 7 set.

    >>> [variable_length(n).hex() for n in (0, 127, 128, 0x0FFFFFFF)]
    ['00', '7f', '8100', 'ffffff7f']
    """
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))
