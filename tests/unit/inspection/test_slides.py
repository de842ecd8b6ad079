"""A slide is one note, in MIDI with pitch bends; a melody's steps are none."""

import io

import mido
import numpy as np
import pytest

from musisep_cli.inspection.midi import to_midi
from musisep_cli.inspection.note_list import find_notes
from musisep_cli.tones.tracks import PitchTracks


def slide_tracks(from_hz: float, to_hz: float, slide_s: float) -> PitchTracks:
    """A tone that rests for 0.4 s, slides, and rests for 0.4 s."""
    times_s = np.arange(0.005, 0.8 + slide_s, 0.01)
    share = np.clip((times_s - 0.4) / slide_s, 0, 1)
    f0_hz = from_hz * (to_hz / from_hz) ** share
    sounding = np.ones((1, len(times_s)), dtype=bool)
    return PitchTracks(times_s=times_s, f0_hz=f0_hz[None], amplitude=0.1 * sounding, on=sounding)


def bends_of(content: bytes) -> list[int]:
    """Values of all pitch bends of the first instrument."""
    track = mido.MidiFile(file=io.BytesIO(content)).tracks[1]
    return [message.pitch for message in track if message.type == "pitchwheel"]


def range_of(content: bytes) -> int:
    """Semitones of the largest pitch bend."""
    track = mido.MidiFile(file=io.BytesIO(content)).tracks[1]
    return [m.value for m in track if m.type == "control_change" and m.control == 6][-1]


@pytest.mark.parametrize(("from_hz", "to_hz"), [(220.0, 330.0), (440.0, 330.0), (220.0, 247.0)])
@pytest.mark.parametrize("slide_s", [0.3, 1.0])
def test_a_slide_is_one_note_with_bends(from_hz: float, to_hz: float, slide_s: float) -> None:
    lines = find_notes(slide_tracks(from_hz, to_hz, slide_s))
    assert len(lines[0]) == 1
    note = lines[0][0]
    assert note.onset_s == pytest.approx(0.0, abs=0.02)
    assert note.offset_s == pytest.approx(0.8 + slide_s, abs=0.02)
    times_s, pitches = zip(*note.slide, strict=True)
    ends = [69 + 12 * np.log2(f0_hz / 440) for f0_hz in (from_hz, to_hz)]
    assert pitches[0] == pytest.approx(ends[0], abs=0.05)
    assert pitches[-1] == pytest.approx(ends[1], abs=0.06)
    assert np.all(np.diff(times_s) > 0)
    midi = to_midi(lines, ["slide"])
    bends = bends_of(midi)
    # The first sets the note's own cents.
    heard = [note.midi + range_of(midi) * bend / 8192 for bend in bends[1:]]
    np.testing.assert_allclose(heard, pitches, atol=0.01)
    assert len(bends) >= min(slide_s / 0.012, abs(ends[1] - ends[0]) / 0.1)  # one a frame at most
    assert np.all(np.sign(np.diff(bends[1:])) == np.sign(to_hz - from_hz))


def test_steps_of_a_melody_are_no_slides() -> None:
    """From note to note in 60 ms, as a singer does."""
    lines = find_notes(slide_tracks(220.0, 247.0, 0.06))
    assert [note.midi for note in lines[0]] == [57, 59]
    assert all(note.slide == () for note in lines[0])
