"""A method that the package knows nothing of goes through the whole command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from musisep_cli.cli.app import app
from tests import small_method
from tests.cli.separating import hashes, invoke
from tests.signals import pure_tone

RATE_HZ = 16_000
FLAGS = ("-n", 2, "--preset", small_method.CrossoverMethod.name, "--cpu")


@pytest.fixture(scope="module")
def references() -> dict[str, np.ndarray]:
    return {
        name: 0.2 * pure_tone(f0_hz, duration_s=1.5, sample_rate_hz=RATE_HZ)
        for name, f0_hz in (("high", 4000.0), ("low", 60.0))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, references: dict[str, np.ndarray]) -> Path:
    """A folder with a recording and its separation by two seeds, two at once."""
    folder = tmp_path_factory.mktemp("own")
    soundfile.write(folder / "mix.wav", sum(references.values()), RATE_HZ)
    result = invoke(folder / "mix.wav", *FLAGS, "--seeds", 2, "-j", 2, "-o", folder / "out")
    assert result.exit_code == 0, result.output
    assert "preset crossover (no training), 2 instruments, seeds 0 to 1" in result.stderr
    return folder


def run_of(folder: Path, out: str = "out") -> Path:
    return folder / out / "musisep" / "mix"


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def test_its_seeds_are_made_in_processes_of_their_own_and_one_is_chosen(made: Path) -> None:
    found = manifest(run_of(made))
    assert found["config"]["run"]["method"] == found["config"]["preset"] == "crossover"
    assert found["config"]["crossover"] == {"frequency_hz": 500.0}
    assert found["chosen_seed"] == 1
    assert [row["seed"] for row in found["ranking"]] == [1, 0]
    assert found["sum_error"] < 1e-6
    assert not (run_of(made) / "dictionary.json").exists()
    assert not (run_of(made) / "seeds" / "000" / "metrics.csv").exists()


def test_interrupted_it_goes_on_to_the_same_files(made: Path, tmp_path: Path, strike: Any) -> None:
    flags = (made / "mix.wav", *FLAGS, "--seeds", 2, "-o", tmp_path / "out")
    strike(7)
    stopped = invoke(*flags)
    assert stopped.exit_code == 130
    assert "seed 0 in part; --resume goes on" in stopped.stderr
    strike(0)
    resumed = invoke(*flags, "--resume", "-v")
    assert resumed.exit_code == 0, resumed.output
    assert "going on with filtering from 7 of 20" in resumed.stderr
    assert hashes(run_of(tmp_path)) == hashes(run_of(made))


def test_its_manifest_makes_it_again(made: Path, tmp_path: Path) -> None:
    file = run_of(made) / "manifest.json"
    result = invoke(made / "mix.wav", "--config", file, "--cpu", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert hashes(run_of(tmp_path)) == hashes(run_of(made))


def test_its_setting_and_its_bounds(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[crossover]\nfrequency_hz = 200.0")
    flags = (made / "mix.wav", *FLAGS, "--config", file, "-o", tmp_path / "out")
    result = invoke(*flags, "--json")
    [document] = [json.loads(line) for line in result.stdout.splitlines()]
    assert document["status"] == "done"
    assert manifest(run_of(tmp_path))["config"]["crossover"] == {"frequency_hz": 200.0}
    file.write_text("[crossover]\nfrequency_hz = 5")
    result = invoke(*flags)
    assert result.exit_code == 2
    assert "[crossover] frequency_hz = 5.0: must be 100 to 2000" in result.stderr


def test_flags_of_other_methods_are_told_to_have_no_effect(made: Path, tmp_path: Path) -> None:
    flags = ("-o", tmp_path / "out", "--dry-run", "--iterations", 5)
    result = invoke(made / "mix.wav", *FLAGS, *flags)
    assert "--iterations has no effect: preset crossover has no such setting" in result.stderr


def test_more_instruments_than_it_serves_are_refused(made: Path) -> None:
    result = invoke(made / "mix.wav", "-n", 3, *FLAGS[2:], "--dry-run")
    assert result.exit_code == 2
    assert "preset crossover serves 1 to 2 instruments" in result.stderr


def test_its_run_is_inspected(made: Path, tmp_path: Path) -> None:
    flags = ["inspect", str(run_of(made)), "--plots", str(tmp_path), "--notes", str(tmp_path)]
    shown = CliRunner().invoke(app, flags)
    assert shown.exit_code == 0, shown.output
    assert "preset crossover, no training" in shown.stdout
    assert "Dictionary" not in shown.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "mix-certificate.png",
        "mix-notes.csv",
        "mix-pitch.png",
    }
    [line] = CliRunner().invoke(app, [*flags, "--json"]).stdout.splitlines()
    assert json.loads(line)["choice"]["seed"] == 1


def test_its_stems_are_evaluated(
    made: Path, tmp_path: Path, references: dict[str, np.ndarray]
) -> None:
    for name, samples in references.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE_HZ, subtype="FLOAT")
    result = CliRunner().invoke(app, ["evaluate", str(run_of(made)), str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    sdr_db = [each["scores"]["sdr_db"] for each in scores["takes"][0]["references"]]
    assert min(sdr_db) > 12
