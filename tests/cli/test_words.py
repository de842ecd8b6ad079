"""What people type who come from other programs, and what their terminals can show."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests import media
from tests.cli.separating import invoke, separate, write_recording


def told(result: Result) -> str:
    """What wrong usage is answered with, unfolded."""
    assert result.exit_code == 2, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["separate", "inspect", "evaluate"])
def test_the_standard_input(command: str) -> None:
    words = told(CliRunner().invoke(app, [command, "-"]))
    assert "save the sound to a file first" in words


@pytest.mark.parametrize("command", ["separate", "inspect", "evaluate"])
@pytest.mark.parametrize("address", ["https://example.org/mix.mp3", "ftp://example.org/a"])
def test_an_address(command: str, address: str) -> None:
    words = told(CliRunner().invoke(app, [command, address]))
    assert "download it first" in words


@pytest.mark.parametrize("option", ["--stems", "--sources", "--stems=2"])
def test_the_number_as_others_call_it(option: str) -> None:
    words = told(CliRunner().invoke(app, ["separate", "mix.wav", option, "2"]))
    assert "the number of instruments is given as -n" in words


def test_the_command_left_out() -> None:
    words = told(CliRunner().invoke(app, ["mix.wav", "-n", "2"]))
    assert "musisep separate mix.wav -n 2" in words
    assert "musisep separate INPUTS..." in told(CliRunner().invoke(app, ["-n", "2", "mix.wav"]))


def test_a_file_whose_name_is_an_option_is_still_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "a.wav").rename(tmp_path / "--stems")
    result = invoke("-n", 2, "--dry-run", "--cpu", "--", "--stems")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("start", "duration"), [("0:01", "0:00.5"), ("1", "0.5"), ("1s", "0,5"), ("0:00:01", ".5")]
)
def test_times_of_any_form(tmp_path: Path, start: str, duration: str) -> None:
    path = write_recording(tmp_path / "mix.wav", duration_s=2.0)
    flags = ("-n", 2, "--dry-run", "--json", "--start", start, "--duration", duration)
    result = separate(tmp_path, path, *flags)
    assert json.loads(result.stdout)["duration_s"] == 0.5


@pytest.mark.parametrize("text", ["1:3x", "1:75", "soon", ""])
def test_a_time_that_is_none(text: str) -> None:
    assert "is no time: give seconds" in told(invoke("mix.wav", "-n", 2, "--start", text))


def test_a_folder_of_all_sorts(tmp_path: Path) -> None:
    """What is no sound is left out silently, a sound that cannot be read is named."""
    folder = tmp_path / "in"
    path = write_recording(folder / "good.wav", duration_s=1.0)
    samples, rate_hz = soundfile.read(path, always_2d=True)
    media.encode(folder / "phone.m4a", samples, rate_hz, "aac")
    media.encode(folder / "film.mov", samples, rate_hz, "aac", picture=True)
    media.picture_only(folder / "silent film.mp4")
    (folder / "notes.txt").write_text("no sound")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "broken.m4a").write_bytes(b"no sound" * 100)
    result = separate(tmp_path, folder, "-n", 2, "--dry-run", exit_code=1)
    assert result.stderr.count("error: ") == 1
    assert "broken.m4a: is not a sound file" in result.stderr
    for name in ("good.wav", "phone.m4a", "film.mov"):
        assert name in result.stdout
    for name in ("notes", "cover", "silent"):
        assert name not in result.output


def test_a_silent_film_that_is_named(tmp_path: Path) -> None:
    path = media.picture_only(tmp_path / "film.mp4")
    result = separate(tmp_path, path, "-n", 2, exit_code=1)
    assert "holds no sound, only pictures" in result.stderr


def test_an_m4a_is_inspected_and_scored(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "refs" / "a.wav", duration_s=1.0)
    samples, rate_hz = soundfile.read(path, always_2d=True)
    (tmp_path / "stems").mkdir()
    stem = media.encode(tmp_path / "stems" / "a.m4a", samples, rate_hz, "alac")
    result = CliRunner().invoke(app, ["inspect", str(stem), "--no-estimate", "--json"])
    report = json.loads(result.stdout)
    assert report["container"] == "MOV ALAC"
    assert report["sound"]["n_samples"] == rate_hz
    scored = CliRunner().invoke(
        app, ["evaluate", str(tmp_path / "stems"), str(tmp_path / "refs"), "--json"]
    )
    assert json.loads(scored.stdout)["mean"]["sdr_db"] in ("inf", pytest.approx(300, abs=100))


@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        ("separate", "ascii"),
        *product(("inspect", "evaluate"), ("ascii", "cp1252")),
        pytest.param("separate", "cp1252", marks=pytest.mark.slow),
    ],
)
def test_terminals_without_utf8(
    tmp_path: Path, repository: Path, command: str, encoding: str
) -> None:
    path = write_recording(tmp_path / "é🎻.wav", duration_s=1.0)
    arguments = {
        "separate": [path, "-n", 2, "--dry-run", "--cpu"],
        "inspect": [path, "--no-estimate"],
        "evaluate": [tmp_path, "--refs", path],
    }[command]
    done = subprocess.run(
        [sys.executable, "-m", "musisep_cli", command, *map(str, arguments)],
        cwd=repository,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout.decode(encoding)
    assert "|" in output
    assert "\\u2500" not in output
    assert "?" not in output.replace("\\x", "")
    assert "\\U0001f3bb" in output


def test_a_sound_from_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    result = separate(tmp_path, tmp_path / "pipe.wav", "-n", 2, exit_code=1)
    assert "Save the sound to a file first" in result.stderr


def test_mp3_of_all_sorts_on_the_command_line(shared_faults: Path, tmp_path: Path) -> None:
    """What was refused or cut short is separated at its full length."""
    flags = ("-n", 2, "--dry-run", "--json")
    result = separate(tmp_path, shared_faults / "mp3", *flags)
    lengths = {
        Path(line["input"]).name: line["duration_s"]
        for line in map(json.loads, result.stdout.splitlines())
    }
    assert lengths["glued.mp3"] == pytest.approx(19.0, abs=0.001)
    assert lengths["vbr_silentstart.mp3"] == pytest.approx(11.5, abs=0.06)
    for name in ("cbr128.mp3", "cbr128_ape.mp3", "sox.mp3", "vbr.mp3", "lyrics3.mp3"):
        assert lengths[name] == pytest.approx(9.5, abs=0.06)
    assert result.stderr.count("error") == 0
    assert np.isfinite(list(lengths.values())).all()
