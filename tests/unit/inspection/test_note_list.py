"""Notes from pitch tracks: melodies, vibrato, glitches, repeats, and their CSV."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.evaluation.annotations import read_notes
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
