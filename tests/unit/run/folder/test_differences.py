"""Differences: what counts as another run, and how it is told."""

from pathlib import Path
from typing import Any

import pytest

from musisep_cli.errors import OutputError
from musisep_cli.run.folder.differences import (
    differences,
    essence,
    fingerprint,
    refuse_other,
    refuse_other_seeds,
)
from musisep_cli.run.folder.layout import RunFolder
from tests.unit.run.folder.written import written


def content(**run: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "input": {"sha256": "ab", "path": "mix.wav", "start_s": None, "duration_s": None},
        "config": {"run": {"seeds": 1, "first_seed": 0, "threads": 2, **run}},
    }


def test_the_seeds_and_the_place_of_the_samples_are_no_difference() -> None:
    moved = content(seeds=5, first_seed=7)
    moved["input"] |= {"path": "elsewhere.wav", "start_s": 1.0}
    assert fingerprint(moved) == fingerprint(content())
    assert fingerprint(content(threads=3)) != fingerprint(content())
    assert essence(content())["config"]["run"] == {"threads": 2}


def test_a_damaged_manifest_differs_and_is_no_crash() -> None:
    assert differences(essence({"config": 3, "input": []}), essence(content()))


def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(out=tmp_path, track="mix")


def refusal(found: dict[str, Any], wanted: dict[str, Any], tmp_path: Path) -> str:
    with pytest.raises(OutputError) as caught:
        refuse_other(found, wanted, folder(tmp_path))
    return str(caught.value)


def test_other_settings_are_named_three_at_most(tmp_path: Path) -> None:
    told = refusal(content(), content(threads=3, a=1, b=2, c=3, d=4), tmp_path)
    assert "[run] threads = 2, now 3" in told
    assert "and 2 more" in told
    assert "--overwrite" in told


def test_another_version_is_told_before_its_settings(tmp_path: Path) -> None:
    told = refusal(content(), {**content(threads=3), "version": "2"}, tmp_path)
    assert "was made by musisep 1, this is 2" in told
    assert "threads" not in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "b.wav"}, "of another recording, mix.wav"),
        ({}, "and that has changed since"),
        ({"start_s": 1.0, "duration_s": 2.0}, "now --start 1.0 --duration 2.0"),
    ],
)
def test_other_samples_are_told_by_what_is_other(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    wanted = content()
    wanted["input"] |= {"sha256": "cd", **change}
    assert words in refusal(content(), wanted, tmp_path)


def test_seeds_of_another_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"holds seeds of another run: 1, 2 \("):
        refuse_other_seeds(content(), written(tmp_path, 1, 2))
    refuse_other_seeds(content(), written(tmp_path / "same", 1, run=fingerprint(content())))
