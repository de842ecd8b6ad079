"""MIDI file: a reader of its own finds the notes where they were put."""

import struct

from musisep_cli.methods.identity.training.midi_file import (
    DRUM_CHANNEL,
    SLOT_S,
    TICKS_PER_S,
    MidiPart,
    midi_file,
)
from musisep_cli.methods.identity.training.phrases import PlayedNote

NOTES = [
    PlayedNote(onset_s=0.5, offset_s=1.0, midi=60, velocity=90),
    PlayedNote(onset_s=1.0, offset_s=3.0, midi=60, velocity=40),
]
DATA_BYTES = {0x8: 2, 0x9: 2, 0xB: 2, 0xC: 1, 0xE: 2}


def events(content: bytes) -> list[tuple[int, bytes]]:
    """Tick and message of every event of the one track."""
    length = struct.unpack(">I", content[18:22])[0]
    assert len(content) == 22 + length
    place, now, found = 22, 0, []
    while place < len(content):
        delta = 0
        while content[place] & 0x80:
            delta = (delta << 7) | (content[place] & 0x7F)
            place += 1
        delta = (delta << 7) | content[place]
        place, now = place + 1, now + delta
        size = (
            3 + content[place + 2]
            if content[place] == 0xFF
            else 1 + DATA_BYTES[content[place] >> 4]
        )
        found.append((now, content[place : place + size]))
        place += size
    return found


def test_parts_follow_each_other_with_their_programs() -> None:
    found = events(midi_file([MidiPart(notes=NOTES, program=40), MidiPart(notes=[], program=73)]))
    programs = [(tick, message[1]) for tick, message in found if message[0] >> 4 == 0xC]
    assert programs == [(0, 40), (round(SLOT_S * TICKS_PER_S), 73)]
    assert found[-1] == (round(2 * SLOT_S * TICKS_PER_S), b"\xff\x2f\x00")


def test_notes_begin_and_end_where_they_should_and_end_before_the_next_begins() -> None:
    found = events(midi_file([MidiPart(notes=NOTES, program=0)]))
    notes = [(tick, message) for tick, message in found if message[0] >> 4 in (0x8, 0x9)]
    assert notes == [
        (480, bytes([0x90, 60, 90])),
        (960, bytes([0x80, 60, 0])),
        (960, bytes([0x90, 60, 40])),
        (2880, bytes([0x80, 60, 0])),
    ]


def test_drums_have_their_channel_and_no_program() -> None:
    found = events(midi_file([MidiPart(notes=NOTES, program=None)]))
    assert all(message[0] >> 4 != 0xC for _, message in found)
    assert any(message[0] == 0x90 | DRUM_CHANNEL for _, message in found)


def test_a_tuning_is_a_bend_of_its_cents() -> None:
    found = events(midi_file([MidiPart(notes=[], program=0, cents=100)]))
    bend = next(message for _, message in found if message[0] == 0xE0)
    assert bend[1] + (bend[2] << 7) == 8192 + 4096
