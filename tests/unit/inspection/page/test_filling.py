"""Filling of the template: words and numbers that the page shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.inspection.page.content import read_listening
from musisep_cli.inspection.page.filling import SCRIPTS, Compressed, filled, own_text
from tests.runs import RATE_HZ, finished_run


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a page of three seeds, of which one can be heard, is filled with."""
    folder = tmp_path_factory.mktemp("run")
    run = finished_run(folder)
    (folder / "sound").write_bytes(b"sound")
    sounds = {"mix": Compressed(path=folder / "sound")}
    listening = read_listening(run.folder, all_seeds=False)
    return filled(listening, RATE_HZ, sounds, all_seeds=False)


def test_facts_in_words(content: dict[str, Any]) -> None:
    assert content["facts"][:5] == [
        "2 instruments", "0:03", "16 kHz mono", "preset standard", "seed 0 of 3",
    ]  # fmt: skip
    assert content["facts"][5].startswith("agreement of the seeds ")


def test_rows_are_instruments_residual_and_original(content: dict[str, Any]) -> None:
    assert [row["key"] for row in content["rows"]] == ["line-1", "line-2", "residual", "mix"]
    tracks = content["run"]["seeds"][0]["tracks"]
    assert list(tracks) == [row["key"] for row in content["rows"]]
    assert set(tracks.values()) == set(content["run"]["sounds"])
    assert set(content["run"]["strips"]) == {*tracks.values(), "roll"}


def test_the_script_gets_plain_json(content: dict[str, Any]) -> None:
    run = json.loads(json.dumps(content["run"], allow_nan=False))
    assert (run["seconds"], run["rate"], run["samples"]) == (3.0, RATE_HZ, 3 * RATE_HZ)
    first = run["seeds"][0]["notes"]["line-1"][0]
    assert first[2] == "D5"
    assert 0 <= first[0] < 0.05 < 0.45 < first[1] < 0.55


def test_seeds_that_cannot_be_heard_are_listed(content: dict[str, Any]) -> None:
    assert [each["seed"] for each in content["silent_seeds"]] == [1, 2]
    assert all("objective 0." in each["words"] for each in content["silent_seeds"])


def test_lines_of_the_roll_are_at_every_c(content: dict[str, Any]) -> None:
    names = [line["name"] for line in content["roll"]["lines"]]
    assert names == sorted(names)
    assert {"C4", "C5"} <= set(names)
    assert content["roll"]["width"] == 300


def test_base64_is_of_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * 2000)
    pieces = list(Compressed(path=path).base64())
    assert len(pieces) > 1
    assert all("=" not in piece for piece in pieces[:-1])


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_stay_small_and_hold_no_end_tag(name: str) -> None:
    text = own_text(name)
    assert "</" not in text
    assert len(text.splitlines()) < 400
