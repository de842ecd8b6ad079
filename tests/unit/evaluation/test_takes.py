"""Takes: which files of a folder are compared."""

import json
from pathlib import Path

import pytest

from musisep_cli.evaluation.takes import Request, audio_files, find
from musisep_cli.sound.suffixes import SUFFIXES


@pytest.mark.parametrize("suffix", [".aifc", ".rf64", ".w64", ".wave", ".WAV"])
def test_a_reference_is_found_whatever_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert suffix.lower() in SUFFIXES
    path = tmp_path / f"violin{suffix}"
    path.touch()
    (tmp_path / "notes.txt").touch()
    assert audio_files(tmp_path) == [path]


@pytest.mark.parametrize("of_seed", [False, True])
@pytest.mark.parametrize(
    ("manifest", "start_s"),
    [
        ({"input": {"start_s": 0.0, "duration_s": 12.0}}, 0.0),
        ({"input": {"start_s": 3.5, "duration_s": None}}, 3.5),
        ({"input": {"start_s": None, "duration_s": 2}}, 0.0),
        ({"input": {"start_s": 0.0, "duration_s": None}}, None),
        ({"input": {}}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_manifest_tells_which_part_was_separated(
    tmp_path: Path, manifest: object, start_s: float | None, *, of_seed: bool
) -> None:
    run, references = tmp_path / "run", tmp_path / "refs"
    stems = run / "seeds" / "000" if of_seed else run
    for folder in (stems, references):
        folder.mkdir(parents=True)
        (folder / "a.wav").touch()
    if manifest is not None:
        (run / "manifest.json").write_text(json.dumps(manifest))
    take = find(Request(name="run", stems=(stems,), references=(references,)))
    assert take.part_start_s == start_s
