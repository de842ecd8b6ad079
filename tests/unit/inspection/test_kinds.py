"""Kinds of arguments: told by cheap looks, and a message with advice for all others."""

import json
from pathlib import Path

import pytest

from musisep_cli.errors import InputError
from musisep_cli.inspection.kinds import is_file, is_folder, kind_of, read_json
from musisep_cli.run.folder.manifest import FORMAT as MANIFEST_FORMAT
from musisep_cli.tones.dictionary import FORMAT as DICTIONARY_FORMAT


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_the_machine_is_a_word_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env").touch()
    assert kind_of("env")[0] == "env"
    assert kind_of("./env") == ("sound", Path("env"))


def test_what_json_files_say_that_they_are(tmp_path: Path) -> None:
    dictionary = write(tmp_path / "any.json", {"format": DICTIONARY_FORMAT})
    manifest = write(tmp_path / "run" / "manifest.json", {"format": MANIFEST_FORMAT})
    assert kind_of(str(dictionary)) == ("dictionary", dictionary)
    assert kind_of(str(manifest)) == ("separation", manifest.parent)
    assert kind_of(str(manifest.parent)) == ("separation", manifest.parent)


@pytest.mark.parametrize("name", ["mix.flac", "there/is/none.wav", "no suffix"])
def test_all_else_is_a_sound_until_it_is_read(name: str) -> None:
    assert kind_of(name) == ("sound", Path(name))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "is neither a dictionary nor the manifest.json"),
        ("[1]", "is neither a dictionary nor the manifest.json"),
        ("{", "is not a valid JSON file"),
        ("[" * 100_000, "is not a valid JSON file"),
    ],
)
def test_other_json_files_are_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        kind_of(str(path))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        kind_of(str(folder))
    return str(caught.value)


def test_folders_that_are_no_separation_say_what_they_are(tmp_path: Path) -> None:
    assert "is no folder of a separation" in refusal(tmp_path)
    write(tmp_path / "out" / "mix" / "manifest.json", {})
    assert f"holds some. Give them: {tmp_path / 'out' / 'mix'}" in refusal(tmp_path / "out")
    write(tmp_path / "half" / "seeds" / "003" / "seed.json", {})
    assert "unfinished separation (seeds done: 003" in refusal(tmp_path / "half")
    one_seed = tmp_path / "half" / "seeds" / "003"
    assert f"Give the folder of the separation: {tmp_path / 'half'}" in refusal(one_seed)


def test_a_closed_folder_is_no_error(forbidden_folder: Path) -> None:
    assert not is_folder(forbidden_folder / "none")
    assert not is_file(forbidden_folder / "none")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(forbidden_folder / "none.json")
