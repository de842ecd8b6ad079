"""`musisep separate --preset source-filter` from the command line: what every method must do."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests.cli.separating import contents, invoke, results
from tests.signals import FLUTE, harmonic_tone

RATE, LENGTH_S = 16_000, 1.2
F0_HZ = (220.0, 329.6)
SMALL = """
preset = "source-filter"

[network]
encoder_units = 8
hidden_units = 16
latent = 8

[training]
weights = ""
iterations = 3
batch_size = 1
exam_steps = 2
least_voiced_s = 0.5
"""


def write_mix(path: Path, *, rate_hz: int = RATE, n_channels: int = 1) -> Path:
    tones = (
        harmonic_tone(f0_hz, amplitudes=FLUTE, duration_s=LENGTH_S, sample_rate_hz=rate_hz)
        for f0_hz in F0_HZ
    )
    mix = 0.1 * np.sum(list(tones), 0)
    soundfile.write(path, np.outer(mix, 1 / np.arange(1, n_channels + 1)), rate_hz, subtype="FLOAT")
    return path


def write_tracks(path: Path, *f0_hz: float, until_s: float = LENGTH_S) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", *(f"f0_{number}" for number in range(1, len(f0_hz) + 1))])
        writer.writerows([n / 100, *f0_hz] for n in range(round(100 * until_s)))
    return path


def run(folder: Path, *arguments: object, settings: str = SMALL, code: int = 0) -> Result:
    (folder / "settings.toml").write_text(settings)
    path = folder / "mix.wav"
    if not path.exists():
        write_mix(path)
    flags = ("--config", folder / "settings.toml", "--out", folder / "out", "--cpu")
    result = invoke(path, *flags, "--threads", 1, *arguments)
    assert result.exit_code == code, result.output
    return result


def test_an_interrupted_run_goes_on_to_the_same_files(tmp_path: Path, strike: Any) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    pitch = write_tracks(tmp_path / "tracks.csv", *F0_HZ)
    run(whole, "--pitch", pitch)
    for at in (1, 2, 2):  # as the pitches are there, while training, while the stems are made
        strike(at)
        result = run(parts, "--pitch", pitch, "--resume", code=130)
        assert "--resume goes on" in result.stderr
    strike(0)
    run(parts, "--pitch", pitch, "--resume")
    assert contents(results(parts, "mix")) == contents(results(whole, "mix"))


@pytest.mark.slow
def test_without_a_file_the_house_s_own_tracks_are_taken(tmp_path: Path, strike: Any) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    run(whole, "-n", 2)
    with (results(whole, "mix") / "pitch.csv").open() as file:
        rows = list(csv.DictReader(file))
    for number in (1, 2):
        found = [
            float(r["f0_hz"]) for r in rows if r["instrument"] == str(number) and r["on"] == "1"
        ]
        assert min(abs(np.median(found) - f0_hz) for f0_hz in F0_HZ) < 3
    strike(1)
    run(parts, "-n", 2, "--resume", code=130)
    strike(0)
    run(parts, "-n", 2, "--resume")
    assert contents(results(parts, "mix")) == contents(results(whole, "mix"))


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(44_100, 2), (8_000, 1)])
def test_any_rate_and_channels(tmp_path: Path, rate_hz: int, n_channels: int) -> None:
    path = write_mix(tmp_path / "mix.wav", rate_hz=rate_hz, n_channels=n_channels)
    pitch = write_tracks(tmp_path / "tracks.csv", *F0_HZ)
    run(tmp_path, "--pitch", pitch)
    folder, (reference, rate) = results(tmp_path, "mix"), soundfile.read(path, always_2d=True)
    stems = [
        soundfile.read(folder / f"{name}.wav", always_2d=True)
        for name in ("part-1", "part-2", "residual")
    ]
    assert {of for _, of in stems} == {rate}
    np.testing.assert_allclose(sum(sound for sound, _ in stems), reference, rtol=0, atol=1e-6)
    # Masks share out everything.
    assert np.abs(stems[2][0]).max() < 1e-5 * np.abs(reference).max()


def test_merged_frames_are_told_and_shown(tmp_path: Path) -> None:
    pitch = write_tracks(tmp_path / "tracks.csv", 220.0, 440.5)
    result = run(tmp_path, "--pitch", pitch)
    assert "of the frames two parts are in unison" in " ".join(result.stderr.split())
    folder = results(tmp_path, "mix")
    shown = CliRunner().invoke(app, ["inspect", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"Merged: (9\d|100)% of the frames", " ".join(shown.stdout.split()))
    assert "Dictionary" in shown.stdout
    told = json.loads(CliRunner().invoke(app, ["inspect", str(folder), "--json"]).stdout)
    assert told


def test_json_and_an_estimate_before_any_work(tmp_path: Path) -> None:
    pitch = write_tracks(tmp_path / "tracks.csv", *F0_HZ)
    result = run(tmp_path, "--pitch", pitch, "--dry-run", "--json")
    planned = json.loads(result.stdout)
    assert planned["status"] == "planned"
    assert planned["estimate"]["n_iterations"] == 3
    assert planned["estimate"]["step_s"] > 0
    assert planned["estimate"]["frame_s"] > 0
    assert not (tmp_path / "out").exists()
    result = run(tmp_path, "--pitch", pitch, "--json")
    assert "part-2" in result.stdout


def test_too_little_sound_is_not_adapted_to_and_that_is_said(tmp_path: Path) -> None:
    pitch = write_tracks(tmp_path / "tracks.csv", *F0_HZ)
    settings = SMALL.replace("least_voiced_s = 0.5", "least_voiced_s = 8.0")
    result = run(tmp_path, "--pitch", pitch, settings=settings)
    assert "not adapted to the recording" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("f0_hz", "until_s", "arguments", "message"),
    [
        ((220.0, 330.0), 0.4, (), "ends after"),
        ((220.0, 5000.0), LENGTH_S, (), "5000 Hz"),
        ((220.0, 12.0), LENGTH_S, (), "12 Hz"),
        ((220.0, -1.0), LENGTH_S, (), "-1 Hz"),
        ((220.0, float("nan")), LENGTH_S, (), "nan Hz"),
        ((220.0, 0.0), LENGTH_S, (), "never sounds"),
        ((220.0, 330.0), LENGTH_S, ("-n", 3), "--pitch holds 2 parts"),
    ],
)
def test_pitches_that_cannot_be_used_are_refused(
    tmp_path: Path, f0_hz: tuple[float, ...], until_s: float, arguments: Any, message: str
) -> None:
    pitch = write_tracks(tmp_path / "tracks.csv", *f0_hz, until_s=until_s)
    (tmp_path / "settings.toml").write_text(SMALL)
    path = write_mix(tmp_path / "mix.wav")
    flags = ("--config", tmp_path / "settings.toml", "--out", tmp_path / "out", "--cpu")
    result = invoke(path, *flags, "--pitch", pitch, *arguments)
    assert result.exit_code != 0
    assert message in " ".join(result.stderr.split())


def test_flags_without_effect_are_told(tmp_path: Path) -> None:
    pitch = write_tracks(tmp_path / "tracks.csv", *F0_HZ)
    result = run(tmp_path, "--pitch", pitch, "--no-decode", "--iterations", 0, "--batch-size", 2)
    for flag in ("--no-decode", "--batch-size"):
        assert flag in result.stderr
