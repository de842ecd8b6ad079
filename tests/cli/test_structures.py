"""`musisep separate --preset structures` from the command line: what every method must do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests.cli.separating import contents, invoke, results
from tests.unit.methods.structures.test_detector import RATE, lines

FAITHFUL = '[structures]\nsound = "faithful"\n'


def write_duet(path: Path, *, rate_hz: int = RATE, n_channels: int = 1, s: float = 1.2) -> Path:
    mix = 0.2 * sum(lines(s))
    soundfile.write(path, np.outer(mix, 1 / np.arange(1, n_channels + 1)), rate_hz)
    return path


def run(folder: Path, path: Path, *arguments: object, settings: str = "", code: int = 0) -> Result:
    (folder / "settings.toml").write_text('preset = "structures"\n' + settings)
    flags = ("--config", folder / "settings.toml", "--out", folder / "out", "--cpu")
    result = invoke(path, "-n", 2, *flags, *arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("settings", ["", FAITHFUL], ids=["decoded", "faithful"])
def test_an_interrupted_run_goes_on_to_the_same_files(
    tmp_path: Path, settings: str, strike: Any
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    run(whole, write_duet(whole / "mix.wav", s=2.4), settings=settings)
    path = write_duet(parts / "mix.wav", s=2.4)
    for at in (2, 3):  # while listening, and while the stems are made
        strike(at)
        result = run(parts, path, "--resume", settings=settings, code=130)
        assert "--resume goes on" in result.stderr
    strike(0)
    run(parts, path, "--resume", settings=settings)
    assert contents(results(parts, "mix")) == contents(results(whole, "mix"))


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(44_100, 2), (8_000, 1)])
def test_any_rate_and_channels(tmp_path: Path, rate_hz: int, n_channels: int) -> None:
    path = write_duet(tmp_path / "mix.wav", rate_hz=rate_hz, n_channels=n_channels)
    run(tmp_path, path, settings=FAITHFUL)
    folder, (reference, rate) = results(tmp_path, "mix"), soundfile.read(path, always_2d=True)
    sounds = [
        soundfile.read(folder / f"{name}.wav", always_2d=True)
        for name in ("instrument-1", "instrument-2", "residual")
    ]
    assert {of for _, of in sounds} == {rate}
    # Stems + residual = mixture, always.
    np.testing.assert_allclose(sum(sound for sound, _ in sounds), reference, rtol=0, atol=1e-6)


def test_the_fall_back_is_said_aloud(tmp_path: Path) -> None:
    settings = FAITHFUL + "[clustering]\nmost_neighbours = 1\n"
    result = run(tmp_path, write_duet(tmp_path / "mix.wav"), "--verbose", settings=settings)
    assert "k-means" in result.stderr


def test_a_run_can_be_inspected_and_evaluated(tmp_path: Path) -> None:
    run(tmp_path, write_duet(tmp_path / "mix.wav"), settings=FAITHFUL)
    result = CliRunner().invoke(app, ["inspect", str(results(tmp_path, "mix"))])
    assert result.exit_code == 0, result.output
    assert "Dictionary" in result.stdout
    references = tmp_path / "references" / "mix"
    references.mkdir(parents=True)
    for name, line in zip(("flute", "clarinet"), lines(1.2), strict=True):
        soundfile.write(references / f"{name}.wav", 0.2 * line, RATE)
    result = CliRunner().invoke(app, ["evaluate", str(results(tmp_path, "mix")), str(references)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("-n", 5), "", "serves 1 to 4"),
        (("--harmonics", 1), "", "[dictionary] n_harmonics = 1"),
        ((), "[first_pass]\nlowest_hz = 5000.0\n", "must be below highest_hz"),
        ((), "[structures]\nsound = 'loud'\n", "'faithful'"),
        ((), "[clustering]\nshare = -1.0\n", "must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, arguments: tuple[object, ...], settings: str, message: str
) -> None:
    result = run(tmp_path, write_duet(tmp_path / "mix.wav"), *arguments, settings=settings, code=2)
    assert message in result.stderr.replace("\n", " ")


def test_flags_of_a_network_have_no_effect_and_that_is_said(tmp_path: Path) -> None:
    result = run(tmp_path, write_duet(tmp_path / "mix.wav"), "--batch-size", 4, settings=FAITHFUL)
    assert "--batch-size" in result.stderr
