"""By score: files to tones, what the user is told, and what is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.errors import InputError
from musisep_cli.players.given.by_score import (
    LEGATO_S,
    Known,
    PitchConfig,
    is_rounded,
    known_tones,
    merged_share,
    without_overlaps,
)
from musisep_cli.players.given.explained import Explained
from musisep_cli.players.given.tones import KnownTones
from musisep_cli.sound.score.part import KnownNote, Part
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig
from tests.unit.players.given.made import LENGTH_S, parts, spectra


def write_notes(folder: Path, given: list[Part]) -> PitchConfig:
    rows = [
        f"{part.name},{note.onset_s},{note.offset_s},{note.middle_semitones}"
        for part in given
        for note in part.notes
    ]
    path = folder / "notes.csv"
    path.write_text("\n".join(["stem,onset_s,offset_s,midi", *rows]))
    return PitchConfig(files=(str(path),))


def tones_of(config: PitchConfig, start_s: float | None = None) -> Known:
    explained = Explained.of(spectra(), 6, ObjectiveConfig())
    return known_tones(config, explained, start_s, DictionaryConfig(n_harmonics=6))


def test_the_notes_of_a_recording_become_its_tones(tmp_path: Path) -> None:
    found = tones_of(write_notes(tmp_path, parts()))
    assert found.tones.on.shape == (len(spectra()), 2)
    assert float(found.tones.on.mean()) > 0.95  # both play all the time
    assert found.dictionary.shape == (6, 2)
    assert float(found.dictionary[1, 0]) > 2 * float(found.dictionary[1, 1])  # clarinet: odd ones


def test_what_was_done_to_the_notes_is_told(tmp_path: Path) -> None:
    given = [part.moved(lambda t: t + 0.8) for part in parts()]
    found = tones_of(write_notes(tmp_path, given))
    assert any("moved 0.8" in note and "earlier" in note for note in found.notes)


def test_notes_count_from_the_start_of_the_file(tmp_path: Path) -> None:
    given = [part.moved(lambda t: t + 40) for part in parts()]
    found = tones_of(write_notes(tmp_path, given), start_s=40.0)
    assert float(found.tones.on.mean()) > 0.95
    assert not any("moved" in note for note in found.notes)
    # But what lies at the recording's own times is taken for that.
    again = tones_of(write_notes(tmp_path, parts()), start_s=40.0)
    assert float(again.tones.on.mean()) > 0.95


def test_notes_elsewhere_are_refused(tmp_path: Path) -> None:
    far = [part.moved(lambda t: 0.001 * t + 500) for part in parts()]
    with pytest.raises(InputError, match=r"no note sounds in this recording of 3\.5 s"):
        tones_of(write_notes(tmp_path, far), start_s=1.0)


def test_a_track_that_ends_before_half_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alto_f0.csv"
    rows = [f"{0.01 * k:.2f},440" for k in range(int(100 * 0.4 * LENGTH_S))]
    path.write_text("\n".join(["time_s,f0_hz", *rows]))
    with pytest.raises(InputError, match=r"track of alto ends after 1.4 s of 3.5 s"):
        tones_of(PitchConfig(files=(str(path),)))


def test_a_rounded_track_is_told_of() -> None:
    times_s = np.arange(3.0)
    for semitones, rounded in (([60.0, 62.0, 62.0], True), ([60.1, 60.2, 60.0], False)):
        note = KnownNote(onset_s=0, offset_s=3, times_s=times_s, semitones=np.array(semitones))
        assert is_rounded(Part(name="a", notes=(note,), is_contour=True)) is rounded


def test_merged_frames_are_counted() -> None:
    semitones = np.array([[60.0, 60.1], [60, 72], [60, 79.02], [60, 67], [60, 60]], np.float32)
    on = np.array([[1, 1], [1, 1], [1, 1], [1, 1], [1, 0]], bool)
    notes = KnownTones(on, semitones, np.zeros((5, 2), np.int64), np.ones(2))
    assert merged_share(notes, 2) == 3 / 5
    assert merged_share(notes, 1) == 0  # two voices of one part


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.05, 2), st.integers(40, 80)), max_size=12),
    st.integers(1, 4),
)
def test_voices_hold_all_notes_or_say_how_many_not(
    drawn: list[tuple[float, float, int]], most: int
) -> None:
    notes = [KnownNote.steady(onset, onset + length, key) for onset, length, key in drawn]
    part = Part(name="a", notes=()).with_notes(notes)
    voices, n_left = without_overlaps(part, most)
    assert len(voices) <= most
    assert sum(map(len, voices)) + n_left == len(notes)
    for voice in voices:
        for before, after in pairwise(voice):
            assert before.offset_s <= after.onset_s
    if len(notes) <= most:
        assert n_left == 0


def test_legato_is_one_voice() -> None:
    notes = tuple(KnownNote.steady(k, k + 1 + 0.9 * LEGATO_S, 60 + k) for k in range(4))
    voices, n_left = without_overlaps(Part(name="a", notes=notes), 3)
    assert (len(voices), n_left) == (1, 0)
