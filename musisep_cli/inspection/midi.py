r"""MIDI: notes as a standard MIDI file of format 1, one track per instrument.

Each instrument has a channel of its own, so that its pitch bend, set before every note, gives the
cents without moving the others. A tick is 1/960 s.

    MThd  6 bytes  format 1, number of tracks, ticks per quarter note
    MTrk  tempo
    MTrk  name, bend range, (bend, note on, note off) ...      for every instrument
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from musisep_cli.inspection.note_list import Note, loudest_db

TICKS_PER_QUARTER = 480
QUARTER_US = 500_000
TICKS_PER_S = TICKS_PER_QUARTER * 1_000_000 // QUARTER_US
CHANNELS = tuple(channel for channel in range(16) if channel != 9)
"""Without the tenth, which General MIDI gives to drums."""
BEND_SEMITONES = 2
BEND_CENTRE, BEND_MOST = 8192, 16_383
Event = tuple[int, int, bytes]
"""Tick, order within the tick, message."""


def to_midi(notes: Sequence[Sequence[Note]], names: Sequence[str]) -> bytes:
    """The file's content.

    >>> to_midi([[]], ["flute"])[:14].hex()
    '4d546864000000060001000201e0'
    """
    loudest = loudest_db(notes)
    tempo = b"\xff\x51\x03" + QUARTER_US.to_bytes(3, "big")
    tracks = [_track([(0, 0, tempo)])]
    for number, (name, line) in enumerate(zip(names, notes, strict=True)):
        channel = CHANNELS[number % len(CHANNELS)]
        tracks.append(_track([*_opening(name, channel), *_events(line, channel, loudest)]))
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_QUARTER)
    return header + b"".join(tracks)


def _opening(name: str, channel: int) -> list[Event]:
    """Name of the track, and the range of its pitch bend (registered parameter 0)."""
    text = name.encode("utf-8")
    control = 0xB0 | channel
    bend_range = [(101, 0), (100, 0), (6, BEND_SEMITONES), (38, 0), (101, 127), (100, 127)]
    return [
        (0, 0, b"\xff\x03" + variable_length(len(text)) + text),
        *((0, 0, bytes([control, number, value])) for number, value in bend_range),
    ]


def _events(line: Iterable[Note], channel: int, loudest: float) -> list[Event]:
    """Bend, on and off of every note; at one tick, what ends comes before what starts."""
    events: list[Event] = []
    for note in line:
        key = min(max(note.midi, 0), 127)
        onset = round(note.onset_s * TICKS_PER_S)
        offset = max(round(note.offset_s * TICKS_PER_S), onset + 1)
        semitones = min(max(note.semitones - key, -BEND_SEMITONES), BEND_SEMITONES)
        bend = min(round(BEND_CENTRE * (1 + semitones / BEND_SEMITONES)), BEND_MOST)
        events += [
            (onset, 1, bytes([0xE0 | channel, bend & 0x7F, bend >> 7])),
            (onset, 2, bytes([0x90 | channel, key, note.velocity(loudest)])),
            (offset, 0, bytes([0x80 | channel, key, 0])),
        ]
    return events


def _track(events: Iterable[Event]) -> bytes:
    """A chunk: every message after its distance in ticks from the one before."""
    body, now = b"", 0
    parts = []
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        parts += [variable_length(tick - now), message]
        now = tick
    body = b"".join(parts) + b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(body)) + body


def variable_length(number: int) -> bytes:
    """A number in groups of seven bits, the highest first, all but the last marked.

    >>> [variable_length(n).hex() for n in (0, 127, 128, 0x0FFFFFFF)]
    ['00', '7f', '8100', 'ffffff7f']
    """
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))
