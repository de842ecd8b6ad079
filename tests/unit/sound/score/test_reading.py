"""Reading: a file says by its content what it is, and bad ones are refused in a line or two."""

from pathlib import Path

import mido
import pytest
from numpy.testing import assert_allclose

from musisep_cli.errors import InputError
from musisep_cli.sound.score.reading import read_score

NOTES = "stem,onset_s,offset_s,midi\nflute,0,1,69\ncello,0.5,2,45\nflute,1,2,71\n"
RUN = """instrument,time_s,f0_hz,amplitude,on
1,0,440,1,1
2,0,220,1,0
1,0.01,442,1,1
2,0.01,220,1,1
"""
CONTOUR = "time_s,f0_hz,confidence,voiced\n0,440,1,1\n0.1,441,1,1\n0.2,300,0.1,0\n"
WIDE = "time_s,f0_1,f0_2\n0,440,0\n0.1,441,220\n0.2,0,221\n"


def written(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_each_table_by_its_columns(tmp_path: Path) -> None:
    notes = read_score([written(tmp_path, NOTES)])
    assert notes.names == ("flute", "cello")
    assert [len(part.notes) for part in notes.parts] == [2, 1]
    assert not notes.is_of_run
    run = read_score([written(tmp_path, RUN)])
    assert run.names == ("instrument-1", "instrument-2")
    assert run.is_of_run
    assert run.parts[1].notes[0].times_s.tolist() == [0.01]
    contour = read_score([written(tmp_path, CONTOUR, "soprano_f0.csv")])
    assert contour.names == ("soprano",)
    assert contour.parts[0].notes[0].times_s.tolist() == [0.0, 0.1]
    assert contour.parts[0].until_s == 0.2
    wide = read_score([written(tmp_path, WIDE)])
    assert wide.names == ("part-1", "part-2")
    assert_allclose(wide.parts[1].notes[0].semitones[0], 57.0)


def test_a_run_with_named_stems_keeps_the_names(tmp_path: Path) -> None:
    rows = RUN.splitlines()
    named = [rows[0] + ",stem", *(r + (",alto" if r[0] == "1" else ",bass") for r in rows[1:])]
    assert read_score([written(tmp_path, "\n".join(named))]).names == ("alto", "bass")


def test_several_files_are_as_many_parts_in_their_order(tmp_path: Path) -> None:
    paths = [written(tmp_path, CONTOUR, f"{name}_f0.csv") for name in ("soprano", "bass")]
    assert read_score(paths).names == ("soprano", "bass")
    assert read_score([paths[0], paths[0]]).names == ("soprano", "soprano-2")


def test_midi_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    file = mido.MidiFile()
    on, off = (mido.Message(f"note_{kind}", note=69, time=480) for kind in ("on", "off"))
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="Viola"), on, off]))
    file.save(tmp_path / "score.dat")
    assert read_score([tmp_path / "score.dat"]).names == ("Viola",)
    empty = mido.MidiFile()
    empty.save(tmp_path / "empty.mid")
    with pytest.raises(InputError, match="holds no part with notes"):
        read_score([tmp_path / "empty.mid"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_s,f0_hz\n0,440\n0,441\n", "times must be finite and increase"),
        ("time_s,f0_hz\nnan,440\n", "times must be finite and increase"),
        ("time_s,f0_hz\n0,nan\n", "is nan Hz"),
        ("time_s,f0_hz\n0,-3\n", "is -3 Hz"),
        ("time_s,f0_hz\n0,4001\n", "is 4001 Hz; needed is 0"),
        ("time_s,f0_hz\n0,19\n", "is 19 Hz"),
        ("time_s,f0_hz\n0,0\n1,0\n", "never sounds"),
        ("time_s,f0_hz,voiced\n0,440,0\n1,440,0\n", "never sounds"),
        ("time_s,f0_1,f0_2\n0,440,0\n0.1,440\n", "line 3: a column or a number is missing"),
        ("time_s,f0_hz\n", "holds no rows"),
        ("stem,onset_s,offset_s,midi\na,2,1,60\n", "that is no time"),
        ("stem,onset_s,offset_s,midi\na,0,1,130\n", "has a note of MIDI number 130.0"),
        ("", "is no table of pitches; its first line holds nothing"),
        ("a,b\n1,2\n", "is no table of pitches; its first line holds a, b"),
        ("\0\xff\xfe", "table"),
    ],
)
def test_bad_tables_are_refused_in_a_line_or_two(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_score([path])
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 320


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_score([tmp_path / "none.mid"])
