"""The pages keep their promises: tests that exist, files that exist, a README for a musician."""

import ast
import re
from pathlib import Path

import pytest

README_BYTES = 8_000
"""A musician reads one page; all else is in ``docs/``."""
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "examples/README.md",
    "docs/*.md",
)
"""The Markdown that people read, and whose links a build of ``docs/`` does not all check."""


def test_every_row_of_the_reliability_table_names_a_test(repository: Path) -> None:
    text = (repository / "docs" / "reliability.md").read_text("utf-8")
    section = text.partition("## What was tried")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for row in rows:
        [(file, name)] = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", row)
        tree = ast.parse((repository / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row


def test_the_readme_is_short(repository: Path) -> None:
    assert (repository / "README.md").stat().st_size <= README_BYTES


@pytest.mark.parametrize("pattern", PAGES)
def test_links_lead_to_files_that_are_there(repository: Path, pattern: str) -> None:
    pages = list(repository.glob(pattern))
    assert pages
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_modules_that_are_named_are_there(repository: Path) -> None:
    text = (repository / "docs" / "method.md").read_text("utf-8")
    table = text.partition("## Sections and modules")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:frames|tones|methods|stems|run|evaluation)/[\w/.]*)`", table)
    assert len(named) > 20
    for path in named:
        assert (repository / "musisep_cli" / path).exists(), path


def test_presets_that_are_described_are_those_that_are_shipped(repository: Path) -> None:
    text = (repository / "docs" / "use.md").read_text("utf-8")
    table = text.partition("## Presets")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([\w-]+)` \|", table, re.M))
    shipped = {path.stem for path in (repository / "musisep_cli").glob("methods/*/presets/*.toml")}
    assert documented == shipped
