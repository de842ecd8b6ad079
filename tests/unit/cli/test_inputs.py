"""Inputs: every recording once, each with a name of its own, and what leads nowhere as an error."""

from pathlib import Path

import pytest

from musisep_cli.cli import inputs
from musisep_cli.cli.inputs import expand, numbering


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"RIFF")


def test_a_folder_is_searched_and_nothing_comes_twice(tmp_path: Path) -> None:
    files(tmp_path, "a.wav", "sub/b.flac", "notes.txt", "out/musisep/a/residual.wav")
    found = expand([str(tmp_path), str(tmp_path / "a.wav")], tmp_path / "out" / "musisep")
    assert sorted(source.path.name for source in found) == ["a.wav", "b.flac"]


def test_recordings_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files(tmp_path, "x/mix.wav", "y/mix.wav")
    found = expand([str(tmp_path / d / "mix.wav") for d in "xy"], tmp_path / "out")
    assert len({source.track for source in found}) == 2


def test_what_leads_nowhere_stays_with_its_error(tmp_path: Path) -> None:
    files(tmp_path, "a.wav")
    found = expand([str(tmp_path / "no*.wav"), str(tmp_path / "a.wav")], tmp_path / "out")
    assert [source.error is None for source in found] == [True, False]
    assert "no*.wav" in str(found[1].error)


def test_a_name_that_came_before_gets_a_number() -> None:
    number = numbering()
    assert [number(name) for name in ("é", "e\u0301", "b")] == ["é", "e\u0301-2", "b"]


def test_a_thousand_of_one_name_take_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0
    genuine = inputs._key

    def key(name: Path | str) -> str:
        nonlocal tries
        tries += 1
        return genuine(name)

    monkeypatch.setattr(inputs, "_key", key)
    number = numbering()
    assert [number("mix") for _ in range(1000)] == ["mix", *(f"mix-{n}" for n in range(2, 1001))]
    assert number("mix-7") == "mix-7-2"
    assert tries < 6 * 1000
