"""Parts: notes that are moved stay notes, tracks become notes, names become files' names."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.sound.score.part import KnownNote, Part, notes_of_track, stem_names
from musisep_cli.sound.stem_names import RESERVED


@given(st.lists(st.text(max_size=80), max_size=8))
def test_every_name_is_a_file_of_its_own(names: list[str]) -> None:
    found = stem_names(names)
    assert len({name.lower() for name in found}) == len(names)
    for name in found:
        assert name
        assert name.lower() not in RESERVED
        assert not set(name) & set('/\\:*?"<>|\0 ')
        assert not name.startswith((".", "without-", "instrument-"))


@given(st.lists(st.one_of(st.just(np.nan), st.floats(30, 100)), min_size=1, max_size=40))
def test_a_track_comes_back_from_its_notes(values: list[float]) -> None:
    times_s, semitones = 0.01 * np.arange(len(values)), np.array(values)
    found = np.full(len(values), np.nan)
    for note in notes_of_track(times_s, semitones):
        inside = (times_s >= note.onset_s) & (times_s < note.offset_s)
        found[inside | np.isin(times_s, note.times_s)] = note.at(
            times_s[inside | np.isin(times_s, note.times_s)]
        )
    assert_allclose(found, semitones)


def test_a_leap_ends_a_note_and_a_slide_does_not() -> None:
    times_s = 0.01 * np.arange(60)
    leap = np.where(times_s < 0.3, 60.0, 64.0)
    assert len(notes_of_track(times_s, leap)) == 2
    assert len(notes_of_track(times_s, np.linspace(60, 64, 60))) == 1


def test_moved_notes_keep_their_pitch_and_order() -> None:
    notes = [KnownNote.steady(0, 1, 60), KnownNote.steady(2, 3, 62)]
    part = Part(name="a", notes=()).with_notes(reversed(notes))
    later = part.moved(lambda times_s: 2 * times_s + 1).transposed(12)
    spans = [(note.onset_s, note.offset_s, note.middle_semitones) for note in later.notes]
    assert spans == [(1, 3, 72), (5, 7, 74)]
    assert (later.end_s, later.sounding_s) == (7, 4)
    assert Part(name="a", notes=()).end_s == 0
