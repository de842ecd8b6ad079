"""MIDI file: several parts one after another, each with its own program.

All parts of a piece lie in one file, in slots of equal length, so that FluidSynth, which takes
longer to load its sounds than to play a part, is started once.

    MThd  6 bytes  format 0, one track, ticks per quarter note
    MTrk  tempo, for every part: program, tuning, vibrato, notes
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from musisep_cli.methods.identity.training.phrases import PIECE_S, PlayedNote

TICKS_PER_S = 960
"""Ticks of a second: 480 a quarter note of half a second."""
DRUM_CHANNEL = 9
"""The channel that General MIDI gives to drums, counted from 0."""
SLOT_S = PIECE_S + 4.0
"""From the start of one part to that of the next, in seconds: the last notes die away."""

_BEND_CENTRE = 8192
_BEND_PER_CENT = 8192 / 200


@dataclass(frozen=True, kw_only=True)
class MidiPart:
    """A part for a sampled instrument."""

    notes: Sequence[PlayedNote]
    """What it plays."""
    program: int | None
    """Program from 0; none for drums."""
    cents: float = 0.0
    """How far it is out of tune, in cents."""
    vibrato: int = 0
    """Depth of the modulation wheel, 0 to 127."""


def midi_file(parts: Sequence[MidiPart]) -> bytes:
    """Return the file's content.

    >>> midi_file([])[:14].hex()
    '4d546864000000060000000101e0'
    """
    events = sorted(event for slot, part in enumerate(parts) for event in _events(part, slot))
    last_tick = round(len(parts) * SLOT_S * TICKS_PER_S)
    body, now = b"\x00\xff\x51\x03" + (500_000).to_bytes(3, "big"), 0
    pieces = [body]
    for tick, _, message in [*events, (last_tick, 9, b"\xff\x2f\x00")]:
        pieces += [_variable_length(tick - now), message]
        now = tick
    track = b"".join(pieces)
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS_PER_S // 2)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def _events(part: MidiPart, slot: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield tick, order within the tick and message of all that a part does."""
    channel = DRUM_CHANNEL if part.program is None else 0
    start = round(slot * SLOT_S * TICKS_PER_S)
    if part.program is not None:
        yield start, 0, bytes([0xC0 | channel, part.program])
    bend = min(max(round(_BEND_CENTRE + part.cents * _BEND_PER_CENT), 0), 16_383)
    yield start, 1, bytes([0xE0 | channel, bend & 0x7F, bend >> 7])
    yield start, 2, bytes([0xB0 | channel, 1, part.vibrato])
    for note in part.notes:
        onset = start + round(note.onset_s * TICKS_PER_S)
        offset = max(start + round(note.offset_s * TICKS_PER_S), onset + 1)
        yield offset, 3, bytes([0x80 | channel, note.midi, 0])
        yield onset, 4, bytes([0x90 | channel, note.midi, note.velocity])


def _variable_length(number: int) -> bytes:
    """Return a number in groups of seven bits, the highest first, all but the last marked."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))
