"""Notes from pitch tracks, and their MIDI file read back."""

import csv
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.evaluation.annotations import read_notes
from musisep_cli.inspection.midi import TICKS_PER_S, to_midi, variable_length
from musisep_cli.inspection.note_list import CSV_COLUMNS, Note, find_notes, to_csv
from musisep_cli.tones.tracks import PitchTracks

HOP_S = 512 / 48_000
ATOL_S = 2.5 * HOP_S  # the median filter may move an edge by half its length
ATOL_CENTS = 3.0

Track = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Semitones, amplitude and on, frame by frame."""


def played(*notes: tuple[float, float, float], duration_s: float = 3.0) -> Track:
    """Notes (onset, offset, semitones), with a soft attack each."""
    n_frames = round(duration_s / HOP_S)
    semitones, amplitude, on = np.full(n_frames, 90.0), np.zeros(n_frames), np.zeros(n_frames)
    for onset_s, offset_s, pitch in notes:
        span = slice(round(onset_s / HOP_S), round(offset_s / HOP_S))
        semitones[span], on[span] = pitch, 1
        amplitude[span] = 0.1 * np.minimum(1, 0.5 + np.arange(span.stop - span.start) / 4)
    return semitones, amplitude, on


def tracks_of(*lines: Track) -> PitchTracks:
    semitones, amplitude, on = (np.stack(part) for part in zip(*lines, strict=True))
    return PitchTracks(
        times_s=np.arange(semitones.shape[1]) * HOP_S,
        f0_hz=440 * 2 ** ((semitones - 69) / 12),
        amplitude=amplitude,
        on=on > 0,
    )


def notes_of(line: Track) -> list[Note]:
    [notes] = find_notes(tracks_of(line))
    return notes


MELODY = [(0.5, 0.9, 60.0), (0.9, 1.3, 62.25), (1.6, 2.4, 55.9)]


def assert_is_melody(
    notes: list[Note], melody: list[tuple[float, float, float]], *, atol_s: float = ATOL_S
) -> None:
    assert len(notes) == len(melody)
    for note, (onset_s, offset_s, pitch) in zip(notes, melody, strict=True):
        assert_allclose([note.onset_s, note.offset_s], [onset_s, offset_s], atol=atol_s)
        assert_allclose(100 * note.semitones, 100 * pitch, atol=ATOL_CENTS)


def test_a_melody() -> None:
    notes = notes_of(played(*MELODY))
    assert_is_melody(notes, MELODY)
    assert [note.name for note in notes] == ["C4", "D4", "G#3"]
    assert_allclose([note.detune_cents for note in notes], [0, 25, -10], atol=ATOL_CENTS)
    # An amplitude of 0.1 in the spectrum is a sine of amplitude 0.2.
    assert_allclose([note.level_db for note in notes], 20 * np.log10(0.2), atol=0.01)


@pytest.mark.parametrize("interval", [12.0, -12.0, 7.0])
def test_single_wrong_frames_change_nothing(interval: float) -> None:
    semitones, amplitude, on = played(*MELODY)
    rng = np.random.default_rng(0)
    heard = np.flatnonzero(on)
    wrong = rng.choice(heard[4:-4:4], 12, replace=False)
    semitones[wrong] += interval
    on[wrong[::2] + 2] = 0
    assert_is_melody(notes_of((semitones, amplitude, on)), MELODY, atol_s=2 * ATOL_S)


def test_single_frames_in_silence_are_no_notes() -> None:
    semitones, amplitude, on = played(*MELODY)
    on[[5, 20, 21, 270]] = 1
    amplitude[[5, 20, 21, 270]] = 0.1
    assert_is_melody(notes_of((semitones, amplitude, on)), MELODY)


def test_a_vibrato_is_one_note_and_a_slide_is_two() -> None:
    semitones, amplitude, on = played((0.5, 2.5, 60.0))
    time_s = np.arange(len(semitones)) * HOP_S
    vibrato = semitones + 0.6 * np.sin(2 * np.pi * 5.5 * time_s)
    assert_is_melody(notes_of((vibrato, amplitude, on)), [(0.5, 2.5, 60.0)])
    slide = semitones + np.clip((time_s - 1.5) / 0.05, 0, 1) * 3
    assert [note.midi for note in notes_of((slide, amplitude, on))] == [60, 63]


def test_a_struck_note_is_repeated_and_a_swell_is_not() -> None:
    semitones, amplitude, on = played((0.5, 2.5, 60.0))
    time_s = np.arange(len(semitones)) * HOP_S
    decay = amplitude * 10 ** (-20 * ((time_s - 0.5) % 1.0) / 20)
    first, second = notes_of((semitones, decay, on))
    assert_allclose([first.onset_s, second.onset_s], [0.5, 1.5], atol=ATOL_S)
    dips = decay.copy()
    dips[100:200:11] *= 0.1
    assert len(notes_of((semitones, dips, on))) == 2
    swell = amplitude * 10 ** (np.sin(2 * np.pi * time_s) / 2)
    assert len(notes_of((semitones, swell, on))) == 1


def test_faint_frames_do_not_count() -> None:
    semitones, amplitude, on = played((0.5, 1.0, 60.0), (1.5, 2.0, 72.0))
    amplitude[round(1.2 / HOP_S) :] *= 0.005
    assert [note.midi for note in notes_of((semitones, amplitude, on))] == [60]


@given(st.integers(0, 2**32 - 1))
def test_notes_of_any_track_follow_one_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_frames = int(rng.integers(1, 300))
    steps = rng.normal(0, 2, n_frames) * (rng.random(n_frames) < rng.random())
    amplitude = 10 ** (rng.normal(0, 1, n_frames) * rng.random())
    on = rng.random(n_frames) < rng.random()
    notes = notes_of((60 + np.cumsum(steps), amplitude, on))
    ends_s = [note.offset_s for note in notes]
    assert all(note.onset_s >= end_s - 1e-9 for note, end_s in zip(notes[1:], ends_s, strict=False))
    assert all(note.offset_s - note.onset_s > 0.05 for note in notes)
    assert np.isfinite([note.level_db for note in notes]).all()


def test_an_instrument_that_never_plays() -> None:
    silent, loud = find_notes(tracks_of(played(), played(*MELODY)))
    assert silent == []
    assert_is_melody(loud, MELODY)


def test_the_csv_is_read_by_evaluate(tmp_path: Path) -> None:
    notes = find_notes(tracks_of(played(*MELODY), played((0.7, 2.0, 80.0))))
    text = to_csv(notes, ["a", "b"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["stem"] for row in rows] == ["a", "b", "a", "a"]
    assert [float(row["onset_s"]) for row in rows] == sorted(float(r["onset_s"]) for r in rows)
    (tmp_path / "notes.csv").write_text(text)
    read = read_notes(tmp_path / "notes.csv")
    assert_allclose([note[2] for note in read["a"]], [note.f0_hz for note in notes[0]], rtol=1e-4)


def parse(data: bytes) -> tuple[int, list[list[tuple[int, bytes]]]]:
    """Ticks per quarter, and for every track its messages with their ticks."""
    assert data[:4] == b"MThd"
    size, form, n_tracks, division = struct.unpack(">IHHH", data[4:14])
    assert (size, form) == (6, 1)
    tracks, at = [], 14
    for _ in range(n_tracks):
        assert data[at : at + 4] == b"MTrk"
        (length,) = struct.unpack(">I", data[at + 4 : at + 8])
        tracks.append(list(messages(data[at + 8 : at + 8 + length])))
        at += 8 + length
    assert at == len(data)
    return division, tracks


def messages(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = tick = 0
    while at < len(body):
        delta = 0
        while True:
            delta = delta << 7 | body[at] & 0x7F
            at += 1
            if not body[at - 1] & 0x80:
                break
        tick += delta
        size = 3 + body[at + 2] if body[at] == 0xFF else 3
        yield tick, body[at : at + size]
        at += size
    assert body[-3:] == b"\xff\x2f\x00"


def test_midi_gives_the_notes_back() -> None:
    notes = find_notes(tracks_of(played(*MELODY), played((0.7, 2.0, 80.5))))
    division, (tempo, *lines) = parse(to_midi(notes, ["flöte", "b"]))
    assert division * 1_000_000 // int.from_bytes(tempo[0][1][3:], "big") == TICKS_PER_S
    assert lines[0][0][1] == b"\xff\x03\x06" + "flöte".encode()
    for channel, (line, track) in enumerate(zip(notes, lines, strict=True)):
        bends = [m[1] | m[2] << 7 for _, m in track if m[0] == 0xE0 | channel]
        on = [(tick, m[1], m[2]) for tick, m in track if m[0] == 0x90 | channel]
        off = [(tick, m[1]) for tick, m in track if m[0] == 0x80 | channel]
        cents = [200 * (bend - 8192) / 8192 for bend in bends]
        assert_allclose(cents, [note.detune_cents for note in line], atol=0.05)
        assert [key for _, key, _ in on] == [note.midi for note in line]
        assert all(1 <= velocity <= 127 for *_, velocity in on)
        starts = [tick / TICKS_PER_S for tick, *_ in on]
        assert_allclose(starts, [note.onset_s for note in line], atol=1 / TICKS_PER_S)
        ends = [tick / TICKS_PER_S for tick, _ in off]
        assert_allclose(ends, [note.offset_s for note in line], atol=1 / TICKS_PER_S)


def test_midi_of_many_instruments_leaves_out_the_drums() -> None:
    note = Note(onset_s=0.0, offset_s=1.0, f0_hz=440.0, level_db=0.0)
    _, (_, *lines) = parse(to_midi([[note]] * 16, [str(n) for n in range(16)]))
    channels = [m[0] & 0x0F for line in lines for _, m in line if m[0] >> 4 == 9]
    assert channels == [*range(9), *range(10, 16), 0]


def test_midi_of_notes_at_and_beyond_its_bounds() -> None:
    low = Note(onset_s=0.0, offset_s=1e-5, f0_hz=5.0, level_db=-200.0)
    high = Note(onset_s=2e5, offset_s=2e5 + 1, f0_hz=20_000.0, level_db=0.0)
    _, (_, line) = parse(to_midi([[low, high]], ["x"]))
    on = [(m[1], m[2]) for _, m in line if m[0] == 0x90]
    assert on == [(0, 1), (127, 127)]
    assert variable_length(200_000 * TICKS_PER_S)[0] & 0x80
