"""The glossary: in order, each word once, and every module that it names is there."""

import re
from pathlib import Path


def rows(repository: Path) -> list[list[str]]:
    text = (repository / "docs" / "words.md").read_text("utf-8")
    cells = [
        line.replace(r"\|", "/").strip("| ").split(" | ")
        for line in text.splitlines()
        if "|" in line
    ]
    return cells[2:]  # without the heading and the rule below it


def test_words_are_in_order_and_told_once(repository: Path) -> None:
    words = [row[0].lower() for row in rows(repository)]
    assert len(words) > 80
    assert words == sorted(set(words))


def test_every_word_has_a_sense(repository: Path) -> None:
    assert all(len(row[1]) > 20 for row in rows(repository))


def test_every_module_is_where_the_glossary_says(repository: Path) -> None:
    paths = {
        path
        for row in rows(repository)
        for path in re.findall(r"`([a-z_0-9*/]+(?:\.py|/))`", " ".join(row))
    }
    package = repository / "musisep_cli"
    assert len(paths) > 40
    assert [path for path in sorted(paths) if not list(package.glob(path))] == []
