"""MIDI files: as mido writes them, notes come back at their times and pitches."""

from pathlib import Path

import mido
import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.errors import InputError
from musisep_cli.inspection.midi import to_midi
from musisep_cli.inspection.note_list import Note
from musisep_cli.sound.score.midi_file import read_midi


def saved(folder: Path, *tracks: list[mido.Message], quarter: int = 480) -> Path:
    file = mido.MidiFile(ticks_per_beat=quarter)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    path = folder / "score.mid"
    file.save(path)
    return path


def note(key: int, ticks: int, channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message("note_on", note=key, velocity=64, channel=channel),
        mido.Message("note_on", note=key, velocity=0, time=ticks, channel=channel),
    ]


def test_every_track_and_channel_is_a_part_but_not_the_drums(tmp_path: Path) -> None:
    first = [mido.MetaMessage("track_name", name="Oboe"), *note(72, 480), *note(74, 960)]
    both = [*note(60, 480, channel=1), *note(40, 480, channel=2), *note(36, 480, channel=9)]
    parts = read_midi(saved(tmp_path, first, both))
    assert [part.name for part in parts] == ["Oboe", "", ""]
    spans = [(n.onset_s, n.offset_s, n.middle_semitones) for n in parts[0].notes]
    assert spans == [(0.0, 0.5, 72), (0.5, 1.5, 74)]  # a quarter lasts half a second
    assert parts[2].notes[0].onset_s == 0.5


def test_tempo_changes_of_the_first_track_hold_for_all(tmp_path: Path) -> None:
    tempi = [
        mido.MetaMessage("set_tempo", tempo=1_000_000),
        mido.MetaMessage("set_tempo", tempo=250_000, time=480),
    ]
    parts = read_midi(saved(tmp_path, tempi, [*note(60, 480), *note(62, 480)]))
    assert [n.offset_s for n in parts[0].notes] == [1.0, 1.25]


def test_bends_move_a_note_by_the_range_that_is_set(tmp_path: Path) -> None:
    ranged = [
        mido.Message("control_change", control=number, value=value)
        for number, value in ((101, 0), (100, 0), (6, 12))
    ]
    up = [
        mido.Message("note_on", note=60, velocity=64),
        mido.Message("pitchwheel", pitch=4096, time=480),
        mido.Message("note_off", note=60, time=480),
    ]
    for opening, semitones in (([], 1.0), (ranged, 6.0)):
        (found,) = read_midi(saved(tmp_path, [*opening, *up]))[0].notes
        assert_allclose(found.times_s, [0.0, 0.5])
        assert_allclose(found.semitones, [60.0, 60.0 + semitones])


def test_what_inspect_writes_comes_back(tmp_path: Path) -> None:
    lines = [
        [Note(onset_s=0.1, offset_s=0.6, f0_hz=445.0, level_db=-20.0)],
        [Note(onset_s=0.0, offset_s=1.0, f0_hz=196.0, level_db=-10.0)],
    ]
    path = tmp_path / "found.mid"
    path.write_bytes(to_midi(lines, ["flute", "cello"]))
    parts = read_midi(path)
    assert [part.name for part in parts] == ["flute", "cello"]
    for part, (line,) in zip(parts, lines, strict=True):
        (found,) = part.notes
        assert_allclose([found.onset_s, found.offset_s], [line.onset_s, line.offset_s], atol=2e-3)
        assert found.middle_semitones == pytest.approx(line.semitones, abs=1e-3)


@pytest.mark.parametrize("content", [b"", b"MThd", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x09\x00"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.mid: cannot be read as a MIDI file"):
        read_midi(path)


def test_a_note_that_never_ends_lasts_to_the_end(tmp_path: Path) -> None:
    track = [mido.Message("note_on", note=60, velocity=64), *note(64, 960)]
    found = read_midi(saved(tmp_path, track))[0].notes
    assert np.max([n.offset_s for n in found]) == 1.0
