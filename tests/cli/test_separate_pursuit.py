"""Separation by sparse pursuit through the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from tests.cli.separating import contents, invoke, manifest, results, write_recording

SETTINGS = """
preset = "pursuit"

[run]
threads = 1

[training]
iterations = 30
dictionaries = 2
"""
FLAGS = ("-n", 2, "--seeds", 2)


def pursue(folder: Path, *arguments: object, exit_code: int = 0) -> Result:
    """A short run into `folder / "out"`, which must end with the exit code."""
    settings = folder / "pursuit.toml"
    settings.write_text(SETTINGS)
    result = invoke(*arguments, "--config", settings, "--out", folder / "out", "--cpu")
    assert result.exit_code == exit_code, result.output
    return result


SOUNDS = {"decoded": FLAGS, "masked": (*FLAGS, "--no-decode")}


@pytest.fixture(scope="module")
def separated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with separations in stereo that nothing interrupted, by sound. Not to be changed."""
    folders = {sound: tmp_path_factory.mktemp(sound) for sound in SOUNDS}
    for sound, flags in SOUNDS.items():
        folder = folders[sound]
        pursue(folder, write_recording(folder / "mix.wav", n_channels=2), *flags)
    return folders


@pytest.fixture(scope="module")
def undisturbed(separated: dict[str, Path]) -> Path:
    return separated["decoded"]


@pytest.mark.parametrize("sound", SOUNDS)
def test_stems_and_residual_are_the_mixture_and_keep_their_places(
    separated: dict[str, Path], sound: str
) -> None:
    mix, _ = soundfile.read(separated[sound] / "mix.wav")
    folder = results(separated[sound], "mix")
    names = ("instrument-1", "instrument-2", "residual")
    stems = [soundfile.read(folder / f"{name}.wav")[0] for name in names]
    np.testing.assert_allclose(np.sum(stems, axis=0), mix, atol=1e-4)
    for stem in stems[:2]:  # both sound from one place: the second channel is half the first
        np.testing.assert_allclose(stem[:, 1], stem[:, 0] / 2, atol=1e-4)
    assert np.abs(stems[:2]).max() > 0.05


def test_decoding_explains_more_than_frames_by_themselves(separated: dict[str, Path]) -> None:
    level = {
        sound: np.square(soundfile.read(results(folder, "mix") / "residual.wav")[0]).mean()
        for sound, folder in separated.items()
    }
    assert level["decoded"] < level["masked"]


def test_the_seed_of_least_misfit_is_chosen(undisturbed: Path) -> None:
    ranking = manifest(undisturbed, "mix")["ranking"]
    objectives = [entry["objective"] for entry in ranking]
    assert len(objectives) == 2
    assert objectives == sorted(objectives)


def test_inspection_shows_the_dictionary_and_the_log_frequency_spectrogram(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = results(undisturbed, "mix")
    result = CliRunner().invoke(
        app, ["inspect", str(folder), "--plots", str(tmp_path), "--no-estimate"]
    )
    assert result.exit_code == 0, result.output
    assert "Dictionary: harmonics in dB" in result.stdout
    assert list(tmp_path.rglob("*dictionary*.png"))
    assert list(tmp_path.rglob("*log-spectrogram*.png"))


@pytest.mark.parametrize(
    ("sound", "at"), [*(("decoded", at) for at in range(1, 5)), ("masked", 3), ("masked", 4)]
)
def test_an_interrupted_run_goes_on_to_the_same_files(
    tmp_path: Path, separated: dict[str, Path], sound: str, at: int, strike: Any
) -> None:
    # Of a seed: two dictionaries, one block of frames, stretches of the stems.
    path = write_recording(tmp_path / "mix.wav", n_channels=2)
    strike(at)
    pursue(tmp_path, path, *SOUNDS[sound], exit_code=130)
    result = pursue(tmp_path, path, *SOUNDS[sound], "--resume")
    assert "seed 0 goes on where it stopped" in result.stderr
    reference, estimate = (contents(results(f, "mix")) for f in (separated[sound], tmp_path))
    assert set(reference) == set(estimate)
    for name, content in reference.items():
        if name.endswith((".wav", ".json", ".csv", ".npz")):
            assert estimate[name] == content, name


def test_a_dictionary_serves_another_recording(undisturbed: Path, tmp_path: Path) -> None:
    given = results(undisturbed, "mix") / "dictionary.json"
    other = write_recording(tmp_path / "other.wav", sample_rate_hz=22_050)
    reuse = ("--init-dictionary", given, "--freeze-dictionary")
    pursue(tmp_path, other, "-n", 2, *reuse)
    reference, estimate = (
        json.loads(path.read_text())
        for path in (given, results(tmp_path, "other") / "dictionary.json")
    )
    assert estimate["instruments"] == reference["instruments"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("-n", 2, "--freeze-dictionary"), "--init-dictionary FILE"),
        (("-n", 7), "preset pursuit serves 1 to 6"),
        (("-n", 2, "--init-dictionary", "missing.json"), "missing.json: cannot be read"),
        (("-n", 2, "--no-decode", "--instrument", "violin"), "leave --pitch, --like"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_done(
    tmp_path: Path, flags: tuple[Any, ...], message: str
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    settings = tmp_path / "pursuit.toml"
    settings.write_text(SETTINGS)
    result = invoke(path, *flags, "--config", settings, "--out", tmp_path / "out", "--cpu")
    assert result.exit_code in (1, 2), result.output
    assert message in " ".join(result.stderr.split())
    assert not (results(tmp_path, "mix") / "instrument-1.wav").exists()


def test_one_instrument_and_several_tones_at_once(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    settings = tmp_path / "chords.toml"
    settings.write_text(SETTINGS + "\n[pursuit]\ntones_per_instrument = 2\n")
    flags = (path, "-n", 1, "--config", settings, "--out", tmp_path / "out", "--cpu")
    refused = invoke(*flags)
    assert refused.exit_code == 2
    assert "tones_per_instrument = 2: decoding takes every instrument for one line" in " ".join(
        refused.stderr.split()
    )
    result = invoke(*flags, "--no-decode")
    assert result.exit_code == 0, result.output
    mix, _ = soundfile.read(path)
    stem, _ = soundfile.read(results(tmp_path, "mix") / "instrument-1.wav")
    assert np.linalg.norm(mix - stem[:, 0] if stem.ndim > 1 else mix - stem) < np.linalg.norm(mix)
