"""Annotations: tracks from notes and contours, found tracks, and damaged files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.evaluation.annotations import (
    GRID_S,
    annotated_tracks,
    found_names,
    found_tracks,
    read_contour,
    read_notes,
    sample_notes,
)

NOTES = "stem,onset_s,offset_s,midi,velocity,detune_cents\n"


def test_notes_become_hertz(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(f"{NOTES}flute,0.5,1.0,81,90,0\nviolin,0,1,68,90,100\nflute,1,2,57,90,0\n")
    notes = read_notes(path)
    assert list(notes) == ["flute", "violin"]
    assert_allclose(notes["flute"], [(0.5, 1.0, 880.0), (1.0, 2.0, 220.0)])
    assert_allclose(notes["violin"], [(0.0, 1.0, 440.0)])  # 100 cents above G#4


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40), st.floats(50, 900)), min_size=1))
def test_every_note_sounds_from_its_onset_to_its_offset(
    drawn: list[tuple[int, int, float]],
) -> None:
    notes = [(n * GRID_S, (n + length) * GRID_S, f0_hz) for n, length, f0_hz in drawn]
    track = sample_notes(notes, 1.3)
    sounding = [sorted(row[row > 0]) for row in track.f0_hz]
    expected = [
        sorted(f0_hz for first, length, f0_hz in drawn if first <= n < first + length)
        for n in range(len(sounding))
    ]
    assert sounding == expected


def test_a_contour_is_silent_where_it_is_not_voiced(tmp_path: Path) -> None:
    path = tmp_path / "a_f0.csv"
    path.write_text("\ufefftime_s,f0_hz,confidence,voiced\n0.0,220,1,1\n0.1,230,0.2,0\n", "utf-8")
    track = read_contour(path)
    assert_array_equal(track.time_s, [0.0, 0.1])
    assert_array_equal(track.f0_hz, [[220.0], [0.0]])


def test_a_contour_counts_before_the_notes(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text(f"{NOTES}a,0,1,69,90,0\nb,0,1,69,90,0\n")
    (tmp_path / "a_f0.csv").write_text("time_s,f0_hz,confidence,voiced\n0,100,1,1\n1,100,1,1\n")
    tracks = annotated_tracks([tmp_path / f"{name}.wav" for name in "abc"], 1.0)
    assert list(tracks) == ["a", "b"]
    assert tracks["a"].f0_hz[0, 0] == 100.0
    assert len(tracks["b"].time_s) == 100
    assert (tracks["b"].f0_hz == 440.0).all()


def test_annotations_of_a_part_count_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text(f"{NOTES}b,2.5,2.75,69,90,0\n")
    rows = "".join(f"{n},{100 + n},1,1\n" for n in range(6))
    (tmp_path / "a_f0.csv").write_text(f"time_s,f0_hz,confidence,voiced\n{rows}")
    (tmp_path / "c_f0.csv").write_text("time_s,f0_hz,confidence,voiced\n0,100,1,1\n")
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    tracks = annotated_tracks(paths, 2.0, part_start_s=2.0)
    assert list(tracks) == ["a", "b"]  # the annotation of c ends before the part
    assert_array_equal(tracks["a"].time_s, [0, 1])
    assert_array_equal(tracks["a"].f0_hz.ravel(), [102, 103])
    assert len(tracks["b"].time_s) == 200
    sounding = tracks["b"].time_s[tracks["b"].f0_hz[:, 0] > 0]
    assert_allclose([sounding[0], sounding[-1]], [0.5, 0.74])


def test_found_tracks_by_instrument_in_order_of_time(tmp_path: Path) -> None:
    assert found_tracks(tmp_path) == {}
    (tmp_path / "pitch.csv").write_text(
        "instrument,time_s,f0_hz,amplitude,on\n2,0.1,200,1,0\n1,0.0,100,1,1\n2,0.0,210,1,1\n"
    )
    tracks = found_tracks(tmp_path)
    assert list(tracks) == [1, 2]
    assert_array_equal(tracks[2].time_s, [0.0, 0.1])
    assert_array_equal(tracks[2].f0_hz, [[210.0], [-200.0]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        (NOTES, "holds no rows"),
        (f"{NOTES}a,0,1,69,90,0\nb,0,1,x,90,0\n", "line 3: a column or a number is missing"),
        (f"{NOTES}a,0,1\n", "line 2: a column or a number is missing"),
        ("stem,onset_s\na,0\n", "line 2: a column or a number is missing"),
    ],
)
def test_damaged_notes_name_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_notes(path)
    assert str(path) in str(caught.value)


def test_names_of_stems_are_known_where_the_table_has_them(tmp_path: Path) -> None:
    assert found_names(tmp_path) == {}
    (tmp_path / "pitch.csv").write_text("instrument,time_s,f0_hz,amplitude,on\n1,0,100,1,1\n")
    assert found_names(tmp_path) == {}
    (tmp_path / "pitch.csv").write_text("instrument,time_s,f0_hz,on,stem\n2,0,100,1,violin1\n")
    assert found_names(tmp_path) == {"violin1": 2}
