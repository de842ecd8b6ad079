"""`musisep inspect` on files and run folders: what it prints, what it refuses, how it exits."""

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from musisep_cli.cli.inspect import run as inspect_run
from musisep_cli.inspection.estimate import Estimate
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from tests.cli import separating
from tests.signals import duet

RATE_HZ = 16_000
TINY = {
    "run": {"threads": 1},
    "network": {"base_channels": 4, "strides": [4, 4, 4, 4, 4, 3]},
    "training": {"batch_size": 2},
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A duet of 2 s after half a second of silence."""
    path = tmp_path_factory.mktemp("recordings") / "a duet [é].wav"
    sound = sum(duet(duration_s=2.0, sample_rate_hz=RATE_HZ).values())
    soundfile.write(path, np.pad(sound, (RATE_HZ // 2, 0)), RATE_HZ, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a separation with two seeds. Not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    separating.write_recording(folder / "mix.wav")
    separating.separate(folder, folder / "mix.wav", "-n", 2, "--seeds", 2)
    return separating.results(folder, "mix")


@pytest.fixture
def separation(finished: Path, tmp_path: Path) -> Path:
    """A copy whose pitch tracks are known: two notes and one note."""
    folder = tmp_path / "mix"
    shutil.copytree(finished, folder)
    rows = []
    for n in range(100):
        first = (220.0 if n < 50 else 330.0, 0.1, int(n < 90))
        rows += [(1, n / 100, *first), (2, n / 100, 884.0, 0.05, int(10 <= n < 60))]
    lines = [",".join(map(str, row)) for row in rows]
    (folder / "pitch.csv").write_text("\n".join(["instrument,time_s,f0_hz,amplitude,on", *lines]))
    return folder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def inspected(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    [line] = result.stdout.splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_sound_file(recording: Path) -> None:
    document = inspected(recording, "--no-estimate")
    assert document["kind"] == "sound"
    assert document["container"] == "WAV FLOAT"
    sound = document["sound"]
    assert (sound["sample_rate_hz"], sound["n_samples"]) == (RATE_HZ, 40_000)
    assert_allclose(sound["silence"]["leading_s"], 0.5, atol=0.05)
    assert sound["channels"][0]["n_clipped"] == 0
    assert_allclose(document["character"]["tones"], 2.0, atol=0.5)
    assert document["estimate"] is None
    assert document["warnings"] == []
    shown = run(recording, "--no-estimate")
    assert "a duet [é].wav" in shown.stdout
    assert "0:02 (2.50 s, 40000 samples)" in shown.stdout
    assert "tones at once" in shown.stdout
    assert shown.stderr == ""


def tiny(preset: str, *changes: Any, on_gpu: bool = False) -> Config:
    """Settings of a network that takes no time, whatever the default preset."""
    return compose("quick", TINY, *changes)


def test_the_estimate(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_run, "compose", tiny)
    document = inspected(recording, "-n", 3, "-d", "cpu")
    estimate = document["estimate"]
    assert (estimate["n_instruments"], estimate["device"]) == (3, "cpu, 1 thread")
    assert estimate["preset"] == "quick"
    assert 0 < estimate["step_s"] < 5
    assert estimate["total_s"] > estimate["n_iterations"] * estimate["step_s"]
    assert 1e8 < estimate["memory_bytes"] < 1e10
    assert "separation, -n 3" in run(recording, "-n", 3, "-d", "cpu").stdout


def test_the_estimate_speaks_of_steps_only_where_there_are_any(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Estimate(
        preset="quick",
        device="cpu, 1 thread",
        n_instruments=2,
        n_iterations=3,
        may_stop=False,
        step_s=0.05,
        n_frames=200,
        frame_s=0.012,
        total_s=2.55,
        memory_bytes=None,
        gpu_memory_bytes=None,
        machine_memory_bytes=None,
    )
    monkeypatch.setattr(inspect_run, "estimate", lambda *_: known)
    shown = run(recording, "-d", "cpu").stdout
    assert "measured just now: 3 steps of 50 ms, 200 frames of 12.0 ms" in shown
    assert "about 3 s per seed" in shown
    known = replace(known, preset="standard", may_stop=True)
    assert "up to 3 s per seed" in run(recording, "-d", "cpu").stdout
    known = replace(known, may_stop=False, n_iterations=0, step_s=0.0)
    shown = run(recording, "-d", "cpu").stdout
    assert "measured just now: 200 frames of 12.0 ms" in shown


def test_the_estimate_of_a_slow_machine_is_cut_short(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_run, "compose", tiny)
    monkeypatch.setattr("musisep_cli.inspection.estimate.LONGEST_S", 0.0)
    result = run(recording, "-d", "cpu")
    assert result.exit_code == 0
    assert "at least" in result.stdout
    assert "not timed" in result.stdout


def test_a_noisy_file_is_warned_about(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 2 * RATE_HZ)
    soundfile.write(tmp_path / "noise.wav", np.clip(3 * noise, -1, 1), RATE_HZ)
    shown = run(tmp_path / "noise.wav", "--no-estimate").stdout
    assert "warning: clipped" in shown
    assert "warning: this looks like noise" in shown


def test_a_separation(separation: Path) -> None:
    document = inspected(separation)
    assert document["kind"] == "separation"
    manifest = json.loads((separation / "manifest.json").read_text())
    choice = document["choice"]
    assert choice["seed"] == manifest["chosen_seed"]
    assert choice["runner_up"] == 1 - choice["seed"]
    first, second = (row["objective"] for row in manifest["ranking"])
    assert_allclose(choice["margin"], 1 - first / second)
    low, high = document["instruments"]
    assert (low["n_notes"], high["n_notes"]) == (2, 1)
    assert (low["lowest"]["note"], low["highest"]["note"]) == ("A3", "E4")
    assert_allclose([low["on_s"], high["on_s"]], [0.9, 0.5])
    assert_allclose(high["median_hz"], 884.0)
    assert len(low["dictionary"]) == 25
    assert document["residual"]["name"] == "residual"
    assert {curve["seed"] for curve in document["curves"]} == {0, 1}
    assert [row["iteration"] for row in document["curves"][0]["rows"]] == [1, 2]


def test_a_separation_for_people(separation: Path) -> None:
    shown = run(separation).stdout
    assert "chosen blind: lowest objective over all frames" in shown
    assert "A3-E4" in shown
    assert "closest timbres: instrument-1 and instrument-2" in shown
    for title in ("Instruments", "Seeds", "Training of seed", "Dictionary"):
        assert title in shown
    same = run(separation / "manifest.json").stdout
    assert same == shown


def test_a_training_that_stopped_early(separation: Path) -> None:
    assert "preset quick, 2 steps of 2 frames, on cpu" in run(separation).stdout
    config = json.loads((separation / "manifest.json").read_text())["config"]
    config["training"]["iterations"] = 400
    change(separation, "config", config)
    assert "preset quick, 2 of 400 steps of 2 frames, on cpu" in run(separation).stdout


def test_a_separation_without_training(separation: Path) -> None:
    assert "training, from" in run(separation).stdout
    config = json.loads((separation / "manifest.json").read_text())["config"]
    config["training"]["iterations"] = 0
    change(separation, "config", config)
    shown = run(separation).stdout
    assert "preset quick, no training, on cpu" in shown
    assert "steps" not in shown
    assert "training, from" not in shown
    written = inspected(separation, "--plots", separation.parent / "pictures")["files"]
    assert [Path(name).name for name in written] == [
        "mix-dictionary.png",
        "mix-pitch.png",
        "mix-certificate.png",
    ]


def test_notes_and_midi_into_files(separation: Path, tmp_path: Path) -> None:
    notes, midi = tmp_path / "new" / "notes.csv", tmp_path / "new" / "x.mid"
    document = inspected(separation, "--notes", notes, "--midi", midi)
    assert document["files"] == [str(notes), str(midi)]
    rows = list(csv.DictReader(io.StringIO(notes.read_text())))
    assert [(row["stem"], row["note"], row["detune_cents"]) for row in rows] == [
        ("instrument-1", "A3", "0.0"),
        ("instrument-2", "A5", "7.9"),
        ("instrument-1", "E4", "2.0"),
    ]
    assert midi.read_bytes()[:4] == b"MThd"


def test_several_separations_into_a_folder(separation: Path, finished: Path) -> None:
    target = separation.parent / "notes of all"
    result = run(separation, finished, "--notes", target, "--midi", target, "--json")
    assert result.exit_code == 0
    names = ["mix-2-notes.csv", "mix-2.mid", "mix-notes.csv", "mix.mid"]
    assert sorted(path.name for path in target.iterdir()) == names
    files = [json.loads(line)["files"] for line in result.stdout.splitlines()]
    assert [len(each) for each in files] == [2, 2]
    assert result.stderr.count("written: ") == 4
    assert run(separation, "--notes", target, "-q").stderr == ""


def test_pictures(separation: Path, recording: Path) -> None:
    target = separation.parent / "pictures"
    dictionary = separation / "dictionary.json"
    result = run(separation, dictionary, recording, "--plots", target, "--no-estimate")
    assert result.exit_code == 0, result.output
    names = {path.name for path in target.iterdir() if path.read_bytes()[1:4] == b"PNG"}
    assert names == {
        *(f"mix-{what}.png" for what in ("certificate", "curves", "dictionary", "pitch")),
        "dictionary.png",
        "a duet [é]-spectrogram.png",
    }


def test_pictures_of_equal_names_are_told_apart(recording: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("x/a.wav", "y/a.wav", "a-2.wav")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(recording, path)
    result = run(*paths, "--plots", tmp_path / "p", "--no-estimate")
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "p").iterdir())
    assert names == [f"{name}-spectrogram.png" for name in ("a-2-2", "a-2", "a")]


def test_no_picture_of_curves_that_are_not_there(separation: Path) -> None:
    shutil.rmtree(separation / "seeds")
    target = separation.parent / "pictures"
    assert run(separation).exit_code == 0
    result = run(separation, "--plots", target)
    assert result.exit_code == 1
    assert "mix-curves.png was not drawn" in result.stderr
    assert "Instruments" in result.stdout
    document = json.loads(run(separation, "--plots", target, "--json").stdout)
    assert len(document["files"]) == 3
    assert "curves" in document["error"]


def test_a_dictionary(finished: Path) -> None:
    document = inspected(finished / "dictionary.json")
    assert document["kind"] == "dictionary"
    assert (document["n_instruments"], document["n_harmonics"]) == (2, 25)
    learned = json.loads((finished / "dictionary.json").read_text())["instruments"]
    assert_allclose(document["instruments"], learned, rtol=1e-6)
    assert "2 instruments, 25 harmonics" in run(finished / "dictionary.json").stdout


def test_the_environment() -> None:
    document = inspected("env")
    assert document["kind"] == "env"
    for name in ("musisep", "python", "torch", "libsndfile", "threads_of_a_training"):
        assert document[name]
    assert "threads of a training" in run("env").stdout


def test_one_bad_argument_stops_no_other(finished: Path, tmp_path: Path) -> None:
    result = run("nowhere.wav", finished, "--json")
    assert result.exit_code == 1
    bad, good = map(json.loads, result.stdout.splitlines())
    assert (bad["what"], bad["files"]) == ("nowhere.wav", [])
    assert bad["error"] in result.stderr
    assert good["choice"]
    assert "error: nowhere.wav: cannot be read" in result.stderr


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "unfinished separation (seeds"),
    "nothing": (lambda f: [shutil.rmtree(f), f.mkdir()], "is no folder of a separation"),
    "broken manifest": (lambda f: (f / "manifest.json").write_text("{"), "not a valid JSON"),
    "other manifest": (lambda f: (f / "manifest.json").write_text("[1]"), "is not a manifest"),
    "old manifest": (lambda f: change(f, "format", "musisep-manifest-0"), "of this version"),
    "empty ranking": (lambda f: change(f, "ranking", []), "is not in the ranking"),
    "odd stems": (lambda f: change(f, "stems", "x"), "is incomplete or was changed"),
    "odd input": (lambda f: change(f, "input", None), "is incomplete or was changed"),
    "one stem": (lambda f: change(f, "stems", []), "different numbers of instruments"),
    "no pitch": (lambda f: (f / "pitch.csv").unlink(), "pitch.csv: cannot be read"),
    "cut pitch": (lambda f: cut(f / "pitch.csv", -1), "not the same frames"),
    "half a row": (lambda f: cut(f / "pitch.csv", -1, "1,2"), "pitch.csv, line 201"),
    "no rows": (lambda f: cut(f / "pitch.csv", 1), "holds no rows"),
    "bad metrics": (lambda f: cut(f / "seeds/000/metrics.csv", 1, "a,b"), "metrics.csv, line 2"),
    "no dictionary": (lambda f: (f / "dictionary.json").unlink(), "dictionary.json: cannot be"),
    "bad dictionary": (lambda f: (f / "dictionary.json").write_text("{}"), "holds no dictionary"),
    "bytes": (lambda f: (f / "dictionary.json").write_bytes(b"\xff\xfe\x00"), "not a valid JSON"),
}


def change(folder: Path, name: str, value: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


def cut(path: Path, n_lines: int, *added: str) -> None:
    path.write_text("\n".join([*path.read_text().splitlines()[:n_lines], *added]) + "\n")


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_separation(separation: Path, name: str) -> None:
    damage, words = DAMAGES[name]
    damage(separation)
    result = run(separation)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: {separation}")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": "musisep-dictionary-1", "instruments": []}', "holds no dictionary"),
        ('{"format": "musisep-dictionary-1", "instruments": [[]]}', "no harmonics"),
        ('{"format": "musisep-dictionary-1", "instruments": [[1, 9]]}', "between 0 and 2"),
        ('{"format": "musisep-dictionary-1", "instruments": [[1], [1, 0]]}', "harmonics"),
        ('{"format": "other"}', "neither a dictionary nor"),
        ("[]", "neither a dictionary nor"),
        ("{", "not a valid JSON file"),
        ("[" * 100_000, "not a valid JSON file"),
    ],
)
def test_a_json_file_that_is_no_dictionary(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    result = run(path)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_what_is_none_of_these(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no sound")
    for what, words in (
        (tmp_path / "text.txt", "is not a sound file"),
        (tmp_path / "missing.json", "cannot be read"),
        (tmp_path / "missing", "cannot be read"),
        (finished.parent, "holds some. Give them: "),
        (finished.parents[1], "holds some. Give them: "),
        (finished / "seeds" / "000", f"Give the folder of the separation: {finished}"),
    ):
        result = run(what)
        assert result.exit_code == 1
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_wrong_usage(finished: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (
        [],
        [recording, "--notes", tmp_path / "notes.csv"],
        ["env", "--midi", tmp_path],
        ["env", "--plots", tmp_path],
        [finished, finished, "--notes", tmp_path / "notes.csv"],
        [finished, "--plots", tmp_path / "file"],
        [recording, "-n", 17],
        [recording, "-d", "tpu"],
    ):
        assert run(*arguments).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written(finished: Path, forbidden_folder: Path) -> None:
    hidden = run(finished)  # nobody may look into pytest's folders
    assert hidden.exit_code == 1
    assert "cannot be read" in hidden.stderr
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dictionary.json")
        path.write_text('{"format": "musisep-dictionary-1", "instruments": [[1, 0.5]]}')
        result = run(path, "--plots", forbidden_folder / "new")
    assert result.exit_code == 1
    assert "cannot be created" in result.stderr
    assert "1 instrument, 2 harmonics" in result.stdout


def test_help_waits_for_no_heavy_module() -> None:
    code = (
        "import sys, musisep_cli.cli.inspect.command\n"
        "print({'numpy', 'scipy', 'torch', 'soundfile', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert "FILE|DIR" in CliRunner().invoke(app, ["inspect", "--help"]).stdout
