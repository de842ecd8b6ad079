"""MIDI files: read back by mido, an independent reader."""

import io
from itertools import accumulate

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.inspection.midi import (
    BEND_SEMITONES,
    CHANNELS,
    TICKS_PER_QUARTER,
    TICKS_PER_S,
    to_midi,
    variable_length,
)
from musisep_cli.inspection.note_list import Note
from tests.signals import CLARINET, FLUTE

ATOL_S = 1 / TICKS_PER_S
ATOL_CENTS = 100 * BEND_SEMITONES / 8192
PIANO, CLARINET_PROGRAM, FLUTE_PROGRAM = 0, 71, 73

Timed = list[tuple[int, mido.Message]]


def note(onset_s: float, offset_s: float, midi: float, level_db: float = 0.0) -> Note:
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return Note(onset_s=onset_s, offset_s=offset_s, f0_hz=f0_hz, level_db=level_db)


LINES = [
    [note(0.5, 0.9, 60.0), note(0.9, 1.3, 62.25, -10.0), note(1.6, 2.4, 55.9, -20.0)],
    [note(0.7, 2.0, 80.5, -3.0)],
]


def read(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data), charset="utf-8")


def timed(track: mido.MidiTrack) -> Timed:
    """Messages of a track, each with its tick from the start of the file."""
    ticks = accumulate(message.time for message in track)
    return list(zip(ticks, track, strict=True))


def of_type(track: mido.MidiTrack, kind: str) -> Timed:
    return [(tick, message) for tick, message in timed(track) if message.type == kind]


def test_a_reader_finds_format_tempo_and_length() -> None:
    file = read(to_midi(LINES, ["a", "b"]))
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, TICKS_PER_QUARTER, 3)
    [(tick, tempo)] = of_type(file.tracks[0], "set_tempo")
    assert tick == 0
    # A tick lasts as long as the writer thinks it does.
    assert mido.tick2second(1, file.ticks_per_beat, tempo.tempo) == pytest.approx(1 / TICKS_PER_S)
    assert file.length == pytest.approx(2.4, abs=ATOL_S)
    assert all(track[-1].type == "end_of_track" for track in file.tracks)


def test_a_reader_finds_the_notes_with_their_cents_and_loudness() -> None:
    file = read(to_midi(LINES, ["flöte", "b"]))
    for number, (line, track) in enumerate(zip(LINES, file.tracks[1:], strict=True)):
        starts, ends = of_type(track, "note_on"), of_type(track, "note_off")
        assert {message.channel for _, message in [*starts, *ends]} == {CHANNELS[number]}
        assert [message.note for _, message in starts] == [each.midi for each in line]
        assert [message.note for _, message in ends] == [each.midi for each in line]
        assert_allclose(
            [tick / TICKS_PER_S for tick, _ in starts], [n.onset_s for n in line], atol=ATOL_S
        )
        assert_allclose(
            [tick / TICKS_PER_S for tick, _ in ends], [n.offset_s for n in line], atol=ATOL_S
        )
        bends = of_type(track, "pitchwheel")
        assert [tick for tick, _ in bends] == [tick for tick, _ in starts]
        cents = [100 * BEND_SEMITONES * message.pitch / 8192 for _, message in bends]
        assert_allclose(cents, [each.detune_cents for each in line], atol=ATOL_CENTS)
        # General MIDI: a velocity v sounds at 40 log10(v / 127) dB. Whole velocities are coarse.
        levels_db = [40 * np.log10(message.velocity / 127) for _, message in starts]
        assert_allclose(levels_db, [each.level_db for each in line], atol=0.4)


def test_the_bend_range_is_the_one_that_the_bends_count_in() -> None:
    [_, track, _] = read(to_midi(LINES, ["a", "b"])).tracks
    controls = [(message.control, message.value) for _, message in of_type(track, "control_change")]
    # Registered parameter 0, its value in semitones and cents, and no parameter from then on.
    assert controls == [(101, 0), (100, 0), (6, BEND_SEMITONES), (38, 0), (101, 127), (100, 127)]


def test_names_are_utf8() -> None:
    file = read(to_midi(LINES, ["flöte", "小提琴"]))
    assert [track.name for track in file.tracks[1:]] == ["flöte", "小提琴"]


def test_programs_are_guessed_from_the_dictionary_and_say_so() -> None:
    dictionary = np.zeros((9, 2))
    dictionary[:, 0], dictionary[:4, 1] = CLARINET, FLUTE
    file = read(to_midi(LINES, ["a", "b"], dictionary))
    programs = [of_type(track, "program_change") for track in file.tracks[1:]]
    assert [[(tick, m.program, m.channel) for tick, m in each] for each in programs] == [
        [(0, CLARINET_PROGRAM, 0)],
        [(0, FLUTE_PROGRAM, 1)],
    ]
    texts = [message.text for track in file.tracks[1:] for _, message in of_type(track, "text")]
    assert "guessed: Clarinet" in texts[0]
    assert "guessed: Flute" in texts[1]


def test_without_a_dictionary_or_notes_all_are_pianos() -> None:
    for file in (read(to_midi(LINES, ["a", "b"])), read(to_midi([[]], ["a"], np.zeros((3, 1))))):
        for track in file.tracks[1:]:
            assert [m.program for _, m in of_type(track, "program_change")] == [PIANO]


def test_sixteen_instruments_leave_out_the_channel_of_the_drums() -> None:
    file = read(to_midi([[note(0.0, 1.0, 69.0)]] * 16, [str(n) for n in range(16)]))
    channels = [of_type(track, "note_on")[0][1].channel for track in file.tracks[1:]]
    assert channels == [*range(9), *range(10, 16), 0]


def test_notes_at_and_beyond_the_bounds_of_midi() -> None:
    low = Note(onset_s=0.0, offset_s=1e-5, f0_hz=5.0, level_db=-200.0)
    high = Note(onset_s=2e5, offset_s=2e5 + 1, f0_hz=20_000.0, level_db=0.0)
    [_, track] = read(to_midi([[low, high]], ["x"])).tracks
    starts, ends = of_type(track, "note_on"), of_type(track, "note_off")
    assert [(message.note, message.velocity) for _, message in starts] == [(0, 1), (127, 127)]
    assert starts[1][0] == 200_000 * TICKS_PER_S
    assert all(end > start for (start, _), (end, _) in zip(starts, ends, strict=True))
    assert [message.pitch for _, message in of_type(track, "pitchwheel")] == [-8192, 8191]


def test_a_note_ends_before_the_same_key_starts_again() -> None:
    again = [note(0.0, 0.5, 60.0), note(0.5, 1.0, 60.0)]
    [_, track] = read(to_midi([again], ["x"])).tracks
    played = [m.type for m in track if m.type in ("note_on", "note_off")]
    assert played == ["note_on", "note_off", "note_on", "note_off"]


@given(st.integers(0, 2**28 - 1))
def test_a_reader_finds_any_variable_length(number: int) -> None:
    *groups, last = variable_length(number)
    assert all(group & 0x80 for group in groups)
    assert not last & 0x80
    value = 0
    for group in (*groups, last):
        value = value << 7 | group & 0x7F
    assert value == number
    assert len(groups) == 0 or groups[0] != 0x80  # no leading zeros
