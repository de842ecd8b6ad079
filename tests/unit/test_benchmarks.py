"""The benchmarks' own code: what they measure is measured by hand, how they print it is not."""

from pathlib import Path

import pytest

from tests.benchmarks import comparison, optimisations, report
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


def test_the_comparison_of_presets_fills_its_tables_and_leaves_the_text(repository: Path) -> None:
    def row(preset: str, sdr_db: float, commit: str) -> comparison.Row:
        scores = (sdr_db, sdr_db + 2)
        return comparison.Row(
            case="gm-two-flutes",
            preset=preset,
            duration_s=10.0,
            instruments=("upper", "lower"),
            sdr_db=scores,
            sir_db=scores,
            sar_db=scores,
            wall_s=20.0,
            cpu_s=35.0,
            memory_gb=0.75,
            commit=commit,
        )

    rows = [row("standard", 1.0, "old"), row("draft", 3.0, "old"), row("standard", 5.0, "new")]
    text = (repository / "docs" / "comparison.md").read_text("utf-8")
    page = comparison.page(rows, text)
    assert "| gm-two-flutes | 6.0 / 6.0 | 4.0 / 4.0 |" in page
    assert "|  | lower | 7.0 / 7.0 / 7.0 | 5.0 / 5.0 / 5.0 |" in page
    assert "| 2 | 2.0 / 3.5 / 0.8 GB | 2.0 / 3.5 / 0.8 GB |" in page
    assert "Made at new, old." in page
    for part in text.split("<!-- ")[0], text.rpartition("-->")[2]:
        assert part in page
    assert comparison.page(rows, page) == page
