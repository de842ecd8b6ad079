"""`--like`, `--instrument`, `--name-stems`: stems of instruments that are asked for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests.cli.separating import WARM_SETTINGS, hashes, invoke, results
from tests.signals import duet

RATE_HZ = 16_000
SMALL = WARM_SETTINGS.replace("seeds = 2\n", "").replace("instruments = 2\n", "") + (
    "\n[search]\nbeam = 2\nhypotheses = 2\n"
)
ONE_SECOND = RATE_HZ


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    """A second of two instruments; beside it a solo of one of them, of two others."""
    lines = {name: line.astype(np.float32) for name, line in duet(duration_s=3.5).items()}
    path = tmp_path / "mix.wav"
    soundfile.write(path, sum(line[:ONE_SECOND] for line in lines.values()), RATE_HZ, "FLOAT")
    soundfile.write(tmp_path / "solo.wav", lines["clarinet"][ONE_SECOND:], RATE_HZ, "FLOAT")
    (tmp_path / "small.toml").write_text(SMALL)
    return path


def separate(mix: Path, *flags: object, exit_code: int = 0, out: str = "out") -> Result:
    folder = mix.parent
    usual = ("--config", folder / "small.toml", "--out", folder / out, "--cpu", "--iterations", 0)
    result = invoke(mix, *usual, *flags)
    assert result.exit_code == exit_code, result.output
    return result


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def read(folder: Path, name: str) -> np.ndarray:
    samples: np.ndarray = soundfile.read(folder / f"{name}.wav", dtype="float32")[0]
    return samples


def test_one_that_is_asked_for_comes_with_a_rest(mix: Path) -> None:
    solo = mix.parent / "solo.wav"
    result = separate(mix, "--like", f"clarinet={solo}", "--json")
    folder, document = results(mix.parent, "mix"), json.loads(result.stdout)
    sounds = {path.name for path in folder.glob("*.wav")}
    assert sounds == {"clarinet.wav", "rest.wav"}
    mixture, _ = soundfile.read(mix, dtype="float32")
    assert_allclose(read(folder, "clarinet") + read(folder, "rest"), mixture, atol=1e-6)
    (like,) = document["likes"]
    assert (like["name"], like["like"], like["engine"]) == ("clarinet", str(solo), "tones")
    assert 0 <= like["presence"] <= 1
    assert like["heard"] or not read(folder, "clarinet").any()
    assert f"speaks for {manifest_of(folder)['config']['run']['instruments']} line" in result.stderr
    shown = CliRunner().invoke(app, ["inspect", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "like clarinet" in shown.stdout
    # The manifest makes it again, and what was made is known again.
    again = separate(mix, "--config", folder / "manifest.json", out="again")
    assert again.exit_code == 0
    first, second = (mix.parent / out / "musisep" / "mix" for out in ("out", "again"))
    assert hashes(first) == hashes(second)
    assert "nothing to do" in separate(mix, "--like", f"clarinet={solo}").stderr
    # A seed that is chosen by hand keeps the names, and its residual is the rest.
    chosen = CliRunner().invoke(app, ["choose", str(folder), "--seed", "0"])
    assert chosen.exit_code == 0, chosen.output
    assert {path.name for path in folder.glob("*.wav")} == sounds
    # The identity that it left serves as well as the solo, and so does a time and a name.
    separate(
        mix,
        "--like",
        f"a={solo}",
        "--instrument",
        "double bass",
        "-n",
        2,
        "--without",
        out="both",
    )
    both = mix.parent / "both" / "musisep" / "mix"
    assert {path.name for path in both.glob("*.wav")} == {
        *("a.wav", "double-bass.wav", "residual.wav"),
        *("without-a.wav", "without-double-bass.wav"),
    }


def test_the_others_keep_their_numbers(mix: Path) -> None:
    separate(mix, "--instrument", "clarinet", "-n", 2)
    folder = results(mix.parent, "mix")
    sounds = {path.name for path in folder.glob("*.wav")}
    assert sounds == {"clarinet.wav", "instrument-2.wav", "residual.wav"}
    assert (folder / "instrument-2.json").exists()


def test_stems_can_be_named_later_and_unnamed_again(mix: Path) -> None:
    separate(mix, "-n", 2)
    folder = results(mix.parent, "mix")
    seeds = hashes(folder / "seeds")
    separate(mix, "-n", 2, "--name-stems")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["named"]
    named = {stem["name"] for stem in manifest["stems"]}
    assert {path.stem for path in folder.glob("*.wav")} == named
    separate(mix, "-n", 2)
    assert hashes(folder / "seeds") == seeds
    assert (folder / "instrument-1.wav").exists()


@pytest.mark.parametrize(
    ("flags", "exit_code", "words"),
    [
        (("--like", "clarinet"), 2, "NAME=FILE"),
        (("--like", "clarinet=none.wav"), 1, "none.wav"),
        (("--instrument", "violine"), 2, "near to it: violin"),
        (("--instrument", "violin", "-n", 1, "--instrument", "oboe"), 2, "said to have 1"),
        (("--like", "rest=@0-1"), 2, "another file"),
        (("--like", "clarinet=@3-9"), 1, "mix.wav"),
        (("--instrument", "violin", "--preset", "quick"), 2, "--preset standard"),
        (("--instrument", "violin", "--pitch", "notes.csv"), 2, "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused(
    mix: Path, flags: tuple[object, ...], exit_code: int, words: str
) -> None:
    plain = invoke(mix, "--out", mix.parent / "out", "--cpu", *flags)
    assert plain.exit_code == exit_code, plain.output
    assert words in " ".join(plain.output.split())
    assert not [*(mix.parent / "out").rglob("*.wav")]


def test_the_table_of_instruments_is_listed() -> None:
    shown = CliRunner().invoke(app, ["inspect", "instruments"])
    assert shown.exit_code == 0
    assert "double bass" in shown.stdout
    document = json.loads(CliRunner().invoke(app, ["inspect", "instruments", "--json"]).stdout)
    assert "violin" in document["instruments"]
    assert document["kind"] == "instruments"


@pytest.mark.slow
def test_the_shipped_network_finds_who_is_asked_for(tmp_path: Path) -> None:
    lines = {name: line.astype(np.float32) for name, line in duet(duration_s=4.5).items()}
    path = tmp_path / "mix.wav"
    now, later = slice(0, 2 * RATE_HZ), slice(2 * RATE_HZ, None)
    soundfile.write(path, sum(line[now] for line in lines.values()), RATE_HZ, "FLOAT")
    for name, line in lines.items():
        soundfile.write(tmp_path / f"{name}.wav", line[later], RATE_HZ, "FLOAT")
    wishes = [f"--like={name}={tmp_path / name}.wav" for name in lines]
    result = invoke(path, *wishes, "--out", tmp_path / "out", "--cpu", "--json", "-n", 2)
    assert result.exit_code == 0, result.output
    assert all(like["presence"] > 0.9 for like in json.loads(result.stdout)["likes"])
    for name, line in lines.items():
        stem = read(tmp_path / "out" / "musisep" / "mix", name)
        assert np.corrcoef(stem, line[now])[0, 1] > 0.95
