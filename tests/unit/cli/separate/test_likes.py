"""Likes: --like and --instrument as settings."""

from pathlib import Path

import pytest
import typer

from musisep_cli.cli.separate.likes import asked_for


def test_a_file_is_made_absolute_and_keeps_its_name() -> None:
    found = asked_for(["violin=solo.wav"], [], others=False)
    assert found == {
        "names": ["violin"],
        "files": [str(Path("solo.wav").absolute())],
        "times": [""],
        "others": False,
    }


def test_names_times_and_files_stand_side_by_side() -> None:
    found = asked_for(["a=@1:02-1:10.5", "b=x.json"], ["Double bass"], others=True)
    assert found is not None
    assert found["names"] == ["a", "b", "Double-bass"]
    assert found["times"] == ["62.0-70.5", "", ""]
    assert found["files"][0] == found["files"][2] == ""


def test_nobody_is_asked_for_without_flags() -> None:
    assert asked_for([], [], others=True) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("violin", "--instrument violin"),
        ("=solo.wav", "not of the form"),
        ("violin=", "not of the form"),
        ("violin=@0:12", "no time range"),
        ("violin=@a-b", "no time"),
    ],
)
def test_what_has_another_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(typer.BadParameter, match=words):
        asked_for([text], [], others=False)
