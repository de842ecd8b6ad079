"""The benchmarks' own code: what they measure is measured by hand, how they print it is not."""

from pathlib import Path

import pytest

from tests.benchmarks import optimisations, report
from tests.benchmarks.optimisations import Optimisation


def test_the_table_of_optimisations_has_a_row_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Optimisation(name, "2", "1.5 (3 to 2 ms)", "kept") for name in ("this", "that")]
    monkeypatch.setattr(optimisations, "kept", lambda: iter(found))
    rows = [line for line in report.optimisation_table() if line.startswith("| ")]
    assert rows[2:] == [
        "| this | 2 | 1.5 (3 to 2 ms) | kept |",
        "| that | 2 | 1.5 (3 to 2 ms) | kept |",
    ]


def test_the_results_hold_the_tables_of_all_programs(repository: Path) -> None:
    folder = repository / "tests" / "benchmarks"
    results = (folder / "RESULTS.md").read_text("utf-8")
    assert results.endswith("\n".join(report.other_pages()) + "\n")
    assert {path.name for path in folder.glob("*.md")} == {"RESULTS.md", *report.PAGES}


def test_every_table_of_another_program_names_what_made_it(repository: Path) -> None:
    for page in report.PAGES:
        text = (repository / "tests" / "benchmarks" / page).read_text("utf-8")
        assert "`python -m tests.benchmarks." in text, page
