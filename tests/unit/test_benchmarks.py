"""The benchmarks' own code: what they measure is measured by hand, how they print it is not."""

import pytest

from tests.benchmarks import optimisations, report


def test_the_table_of_optimisations_has_a_row_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimisations, "kept", lambda: iter(()))
    rows = [line for line in report.optimisation_table() if line.startswith("| ")]
    assert len(rows) == 2 + len(optimisations.MEASURED_ONCE)
