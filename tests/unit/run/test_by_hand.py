"""Choice by hand: a seed comes to the top with all that is its own, and nothing else is left."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli import pictures
from musisep_cli.errors import ConfigError, InputError
from musisep_cli.evaluation.annotations import found_names, found_tracks
from musisep_cli.run.by_hand import check_names, choose
from musisep_cli.run.folder import manifest as manifests
from musisep_cli.run.folder.layout import RunFolder, SoundFormat
from musisep_cli.run.in_folder import look
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound import audio_file
from tests.runs import Run, finished_run


@pytest.fixture(autouse=True)
def drawn_as_empty_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "write_spectrogram", lambda path, *_, **__: path.touch())


def manifest(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.folder / "manifest.json").read_text("utf-8"))
    return content


def sounds(run: Run, *names: str) -> list[np.ndarray]:
    return [soundfile.read(run.folder / f"{name}.wav")[0] for name in names]


def test_the_seed_is_on_top_with_everything(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    choose(run.folder, 1, ["clarinet", "flute"])
    content = manifest(run)
    assert (content["chosen_seed"], content["chosen_by"]) == (1, "chosen by hand")
    assert [stem["name"] for stem in content["stems"]] == ["clarinet", "flute", "residual"]
    clarinet, flute, residual = sounds(run, "clarinet", "flute", "residual")
    recording, _ = soundfile.read(run.recording)
    assert_allclose(clarinet + flute + residual, recording, atol=1e-6)
    early = slice(0, 16_000)
    assert_allclose(np.stack([flute, clarinet])[:, early], run.truth[:, early], atol=1e-6)
    assert [row["seed"] for row in content["ranking"]] == [0, 1, 2]


def test_pitch_tracks_have_the_names_of_the_stems(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    seed = run.folder / "seeds" / "001"
    own = (seed / "pitch.csv").read_bytes()
    choose(run.folder, 1)
    assert (run.folder / "pitch.csv").read_bytes() == own
    for names in (["clarinet", "flute"], ["flute", "a b"]):
        choose(run.folder, 1, names)
        assert found_names(run.folder) == {names[0]: 1, names[1]: 2}
        tracks = found_tracks(run.folder)
        assert tracks.keys() == {1, 2}
        for number, track in found_tracks(seed).items():
            for name, values in vars(track).items():
                assert_array_equal(vars(tracks[number])[name], values)
    choose(run.folder, 1, ["instrument-1", "instrument-2"])
    assert (run.folder / "pitch.csv").read_bytes() == own


def test_only_files_that_the_manifest_names_are_left(tmp_path: Path) -> None:
    run = finished_run(tmp_path, without=True)
    (run.folder / "mine.txt").write_text("a listener's own")
    choose(run.folder, 2, ["a", "b"])
    choose(run.folder, 2, ["c", "d"])
    names = {path.name for path in run.folder.iterdir() if path.is_file()}
    assert names == {*manifest(run)["files"], "mine.txt"}
    assert {"c.wav", "d.wav", "c.png", "without-c.wav", "residual.wav", "mix.png"} <= names


def test_a_choice_back_gives_the_bytes_of_before(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    before = {path.name: path.read_bytes() for path in run.folder.glob("*.wav")}
    choose(run.folder, 1)
    assert {path.name: path.read_bytes() for path in run.folder.glob("*.wav")} != before
    choose(run.folder, 0)
    assert {path.name: path.read_bytes() for path in run.folder.glob("*.wav")} == before


def test_names_stay_where_the_seed_is_on_top_already(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    choose(run.folder, 0, ["flute", "clarinet"])
    choose(run.folder, 0)
    assert (run.folder / "flute.wav").is_file()
    choose(run.folder, 2)
    assert not (run.folder / "flute.wav").is_file()
    assert (run.folder / "instrument-1.wav").is_file()


@pytest.mark.parametrize("sound", [SoundFormat(), SoundFormat(subtype="int16", extension="flac")])
def test_a_recording_that_is_gone_is_the_sum_of_its_stems(
    tmp_path: Path, sound: SoundFormat
) -> None:
    run = finished_run(tmp_path, sound=sound)
    recording, _ = soundfile.read(run.recording)
    run.recording.unlink()
    choose(run.folder, 1)
    paths = [run.folder / name for name in manifest(run)["files"][:3]]
    total = sum(soundfile.read(path)[0] for path in paths)
    assert_allclose(total / manifest(run)["gain"], recording, atol=2e-4)


def test_another_recording_in_its_place_is_not_taken(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    recording, rate_hz = soundfile.read(run.recording)
    soundfile.write(run.recording, recording[::-1], rate_hz, subtype="FLOAT")
    choose(run.folder, 1)
    total = sum(sounds(run, "instrument-1", "instrument-2", "residual"))
    assert_allclose(total, recording, atol=1e-5)


def test_neither_recording_nor_stems_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    run.recording.unlink()
    (run.folder / "residual.wav").unlink()
    before = (run.folder / "manifest.json").read_bytes()
    with pytest.raises(InputError, match=r"residual\.wav: is missing"):
        choose(run.folder, 1)
    assert (run.folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("seed", [3, 7])
def test_a_seed_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, seed: int) -> None:
    run = finished_run(tmp_path)
    with pytest.raises(InputError, match=rf"seed {seed} is not there.*whole are: 0, 1, 2"):
        choose(run.folder, seed)


def test_a_damaged_seed_is_refused(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    stem = run.folder / "seeds" / "001" / "instrument-1.wav"
    stem.write_bytes(stem.read_bytes()[:-4] + b"none")
    with pytest.raises(InputError, match=r"seed 1 is not there, or damaged \(whole are: 0, 2\)"):
        choose(run.folder, 1)


@pytest.mark.parametrize(
    "template", ["{track}/{stem}.{ext}", "{stem}/{track}.{ext}", "{stem}.{ext}"]
)
def test_a_run_that_was_moved_is_chosen_from_where_it_is(tmp_path: Path, template: str) -> None:
    run = finished_run(tmp_path / "a", track="folder/mix", template=template)
    (tmp_path / "a" / "musisep").rename(tmp_path / "elsewhere")
    place = choose(tmp_path / "elsewhere" / "folder" / "mix", 1, ["x", "y"])
    assert place.manifest == tmp_path / "elsewhere" / "folder" / "mix" / "manifest.json"
    found, _ = soundfile.read(place.stem("y"))
    assert_allclose(found[:16_000], run.truth[0][:16_000], atol=1e-6)


def test_a_later_separation_finds_nothing_to_do(tmp_path: Path) -> None:
    run = finished_run(tmp_path, without=True)
    choose(run.folder, 1, ["x", "y"])
    recording = audio_file.read(run.recording)
    config = compose("standard", {"run": {"instruments": 2, "seeds": 3}})
    folder = RunFolder(out=tmp_path, track="duet", without=True)
    assert look(folder, recording, config, overwrite=False).state == "finished"


def test_the_manifest_names_settings_that_make_the_same_again(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    choose(run.folder, 1)
    settings = manifest(run)["config"]["run"]
    assert (settings["first_seed"], settings["seeds"]) == (1, 1)


def test_a_page_of_the_earlier_choice_is_removed(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    (run.folder / "listen.html").write_text("of seed 0")
    choose(run.folder, 1)
    assert not (run.folder / "listen.html").exists()
    assert manifests.read(RunFolder(out=tmp_path, track="duet")) is not None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], "1 names for 2"),
        (["a", "b/c"], "cannot be the name of a file"),
        (["a", ""], "cannot be the name of a file"),
        (["a", "b" * 61], "cannot be the name of a file"),
        (["a", ".hidden"], "cannot be the name of a file"),
        (["a", "without-a"], "cannot be the name of a file"),
        (["a", "A"], "is the name of another file"),
        (["mix", "b"], "is the name of another file"),
        (["a", "Residual"], "is the name of another file"),
    ],
)
def test_names_that_cannot_be_files_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_names(names, 2)


@pytest.mark.parametrize("name", ["flûte d'or", "🎻", "Horn (F)", "2nd violin"])
def test_names_of_people_are_taken(name: str) -> None:
    assert check_names([name, "other"], 2)[0] == name
