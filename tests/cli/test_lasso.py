"""`musisep separate --preset lasso` from the command line: what every method must do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests.cli.separating import contents, invoke, results
from tests.signals import duet

RATE = 16_000


def lines(s: float) -> list[np.ndarray]:
    """Two instruments [t]."""
    return list(duet(duration_s=s, sample_rate_hz=RATE).values())


def write_duet(path: Path, *, rate_hz: int = RATE, n_channels: int = 1, s: float = 1.5) -> Path:
    mix = np.sum(lines(s), 0)
    soundfile.write(path, np.outer(mix, 1 / np.arange(1, n_channels + 1)), rate_hz, subtype="FLOAT")
    return path


def run(folder: Path, path: Path, *arguments: object, settings: str = "", code: int = 0) -> Result:
    (folder / "settings.toml").write_text('preset = "lasso"\n' + settings)
    flags = ("--config", folder / "settings.toml", "--out", folder / "out", "--cpu")
    result = invoke(path, "-n", 2, *flags, *arguments)
    assert result.exit_code == code, result.output
    return result


def test_an_interrupted_run_goes_on_to_the_same_files(tmp_path: Path, strike: Any) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    run(whole, write_duet(whole / "mix.wav"))
    path = write_duet(parts / "mix.wav")
    for at in (1, 2):  # when all is heard, and while the stems are made
        strike(at)
        result = run(parts, path, "--resume", code=130)
        assert "--resume goes on" in result.stderr
    strike(0)
    run(parts, path, "--resume")
    assert contents(results(parts, "mix")) == contents(results(whole, "mix"))


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(44_100, 2), (8_000, 1)])
def test_any_rate_and_channels(tmp_path: Path, rate_hz: int, n_channels: int) -> None:
    path = write_duet(tmp_path / "mix.wav", rate_hz=rate_hz, n_channels=n_channels)
    run(tmp_path, path)
    folder, (reference, rate) = results(tmp_path, "mix"), soundfile.read(path, always_2d=True)
    sounds = [
        soundfile.read(folder / f"{name}.wav", always_2d=True)
        for name in ("instrument-1", "instrument-2", "residual")
    ]
    assert {of for _, of in sounds} == {rate}
    # Stems + residual = mixture, always.
    np.testing.assert_allclose(sum(sound for sound, _ in sounds), reference, rtol=0, atol=1e-6)


def test_no_seed_changes_a_byte(tmp_path: Path) -> None:
    stems = []
    for seed in (0, 7):
        folder = tmp_path / str(seed)
        folder.mkdir()
        run(folder, write_duet(folder / "mix.wav"), "--seed", seed)
        stems.append((results(folder, "mix") / "instrument-1.wav").read_bytes())
    assert stems[0] == stems[1]


def test_a_run_can_be_inspected_and_evaluated(tmp_path: Path) -> None:
    run(tmp_path, write_duet(tmp_path / "mix.wav"))
    plots = tmp_path / "plots"
    result = CliRunner().invoke(
        app, ["inspect", str(results(tmp_path, "mix")), "--plots", str(plots)]
    )
    assert result.exit_code == 0, result.output
    assert "Dictionary" in result.stdout
    assert (plots / "mix-certificate.png").is_file()
    references = tmp_path / "references" / "mix"
    references.mkdir(parents=True)
    for name, line in zip(("flute", "clarinet"), lines(1.5), strict=True):
        soundfile.write(references / f"{name}.wav", line, RATE)
    result = CliRunner().invoke(app, ["evaluate", str(results(tmp_path, "mix")), str(references)])
    assert result.exit_code == 0, result.output


def test_silence_is_separated_into_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mix.wav", np.zeros(RATE), RATE)
    result = invoke(
        tmp_path / "mix.wav", "-n", 2, "--preset", "lasso", "--out", tmp_path / "out", "--cpu"
    )
    assert "Traceback" not in result.output
    assert result.exit_code in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("-n", 5), "", "serves 1 to 4"),
        (("--harmonics", 1), "", "[dictionary] n_harmonics = 1"),
        ((), "[certificate]\nlowest_hz = 5000.0\n", "must be below highest_hz"),
        ((), "[path]\nshares = [0.1, 0.5]\n", "fall from step to step"),
        ((), "[lasso]\nhops = 3\n", "must divide"),
        ((), "[frank_wolfe]\nreach_bins = -1.0\n", "must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, arguments: tuple[object, ...], settings: str, message: str
) -> None:
    result = run(tmp_path, write_duet(tmp_path / "mix.wav"), *arguments, settings=settings, code=2)
    assert message in result.stderr.replace("\n", " ")


def test_a_dictionary_of_another_size_is_refused(tmp_path: Path) -> None:
    run(tmp_path, write_duet(tmp_path / "mix.wav"))
    dictionary = results(tmp_path, "mix") / "dictionary.json"
    flags = ("--init-dictionary", dictionary, "--harmonics", 12, "--out", tmp_path / "other")
    result = invoke(tmp_path / "mix.wav", "-n", 2, "--preset", "lasso", "--cpu", *flags)
    assert result.exit_code == 1
    assert "12" in result.stderr
