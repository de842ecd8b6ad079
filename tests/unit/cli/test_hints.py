"""Hints: what users of other programs type is answered with how it is done here."""

import pytest
from typer.testing import CliRunner

from musisep_cli.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["separate", "a.wav", "--stems", "2"], "is given as -n"),
        (["separate", "a.wav", "--output=x"], "is given as -o"),
        (["separate", "-"], "the standard input"),
        (["separate", "https://example.org/a.wav"], "nothing is fetched"),
        (["a.wav", "-n", "2"], "musisep separate a.wav -n 2"),
        (["-n", "2"], "stands before the command"),
    ],
)
def test_a_foreign_habit_is_answered(arguments: list[str], words: str) -> None:
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    assert found.exit_code == 2
    assert words in " ".join(found.output.split())
