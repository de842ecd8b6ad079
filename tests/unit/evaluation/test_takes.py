"""Takes: which files of a folder are compared."""

from pathlib import Path

import pytest

from musisep_cli.evaluation.takes import audio_files
from musisep_cli.sound.suffixes import SUFFIXES


@pytest.mark.parametrize("suffix", [".aifc", ".rf64", ".w64", ".wave", ".WAV"])
def test_a_reference_is_found_whatever_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert suffix.lower() in SUFFIXES
    path = tmp_path / f"violin{suffix}"
    path.touch()
    (tmp_path / "notes.txt").touch()
    assert audio_files(tmp_path) == [path]
