"""Soundfont: what is missing is named, with the command that installs it."""

import shutil
from pathlib import Path

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.training import soundfont


def test_a_missing_program_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match="apt-get install fluidsynth"):
        soundfont.play([])


def test_a_missing_soundfont_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/fluidsynth")
    font = tmp_path / "none.sf2"
    with pytest.raises(ConfigError, match=r"none\.sf2"):
        soundfont.play([], font)
