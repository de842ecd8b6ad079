"""Separation that is inspected: its pitch file is read as it was written, or refused in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.inspection.separation import read_pitch, read_separation
from musisep_cli.run.folder.tables import write_learned
from musisep_cli.tones.tracks import PitchTracks
from tests.unit.run.made import result, tracks


def test_pitch_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_learned(tmp_path, result())
    found, expected = read_pitch(tmp_path / "pitch.csv"), tracks()
    assert_allclose(found.times_s, expected.times_s)
    assert_allclose(found.f0_hz, expected.f0_hz)
    assert_allclose(found.amplitude, expected.amplitude)
    assert_array_equal(found.on, expected.on)


def test_chords_are_read_voice_by_voice_as_they_were_written(tmp_path: Path) -> None:
    expected = PitchTracks(
        times_s=np.array([0.0, 0.5]),
        f0_hz=np.array([[440.0, 441.0], [100.0, 101.0], [200.0, 201.0]]),
        amplitude=np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        on=np.array([[True, False], [True, True], [False, True]]),
        players=(0, 1, 1),
    )
    write_learned(tmp_path, replace(result(), tracks=expected))
    found = read_pitch(tmp_path / "pitch.csv")
    assert found.players == expected.players
    assert_allclose(found.times_s, expected.times_s)
    assert_allclose(found.f0_hz, expected.f0_hz)
    assert_array_equal(found.on, expected.on)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (1, "holds no rows"),
        (4, "has not the same frames for every instrument"),
    ],
)
def test_a_pitch_file_that_is_cut_off_is_refused(tmp_path: Path, lines: int, words: str) -> None:
    write_learned(tmp_path, result())
    path = tmp_path / "pitch.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))
    with pytest.raises(InputError, match=words):
        read_pitch(path)


def test_a_line_without_a_number_is_named(tmp_path: Path) -> None:
    write_learned(tmp_path, result())
    path = tmp_path / "pitch.csv"
    path.write_text(path.read_text().replace("440.000", "high", 1))
    with pytest.raises(InputError, match=r"line 2: a column or a number is missing"):
        read_pitch(path)


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 0}')
    with pytest.raises(InputError, match="is not a manifest of this version of musisep"):
        read_separation(tmp_path)
