"""By number: what is told of a recording that was separated for several numbers."""

from dataclasses import asdict
from pathlib import Path

import pytest

from musisep_cli.cli.separate import by_number
from musisep_cli.cli.separate.by_number import Explained
from musisep_cli.errors import ConfigError
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.compose import compose
from tests.unit.cli.separate.test_job import job

MANIFEST = {
    "stems": [
        {"name": "instrument-1", "energy_share": 0.5},
        {"name": "instrument-2", "energy_share": 0.2},
        {"name": "residual", "energy_share": 0.1},
    ],
    "config": {"run": {"instruments": 2}},
    "ranking": [{"seed": 1, "objective": 0.3}, {"seed": 0, "objective": 0.4}],
    "chosen_seed": 1,
}


def explained(instruments: int = 2) -> Explained:
    return Explained(
        instruments=instruments, left_over=0.1, faintest=0.2, objective=0.3, folder="there"
    )


def test_it_tells_what_is_left_over_and_how_faint_the_faintest_stem_is() -> None:
    folder = RunFolder(out=Path("out"), track="mix/n-2")
    found = Explained.of(MANIFEST, folder)
    assert asdict(found) == {**asdict(explained()), "folder": "out/musisep/mix/n-2"}


def test_a_line_for_each_number_and_the_counted_one_in_bold() -> None:
    table = by_number.table("mix.wav", [explained(1), explained(2), explained(3)], 2)
    assert [str(cell) for cell in table.columns[0].cells] == ["1", "2", "3"]
    assert [str(cell) for cell in table.columns[1].cells] == ["10.00%"] * 3
    assert [row.style for row in table.rows] == ["", "bold", ""]


def test_a_number_without_a_finite_objective_is_told_too() -> None:
    unfinished = Explained(instruments=1, left_over=0.0, faintest=0.0, objective=None, folder="")
    table = by_number.table("mix.wav", [unfinished], None)
    assert str(next(iter(table.columns[3].cells))) == "not finite"


SEVEN = {"run": {"instruments": 7}, "policy": {"exponents": [1.0]}}


def test_numbers_that_no_preset_serves_together_are_refused() -> None:
    jobs = [job("standard"), job("quick", config=compose("quick", SEVEN))]
    with pytest.raises(ConfigError, match="standard for -n 1 and quick for -n 7"):
        by_number.check(jobs)
    by_number.check(jobs[:1])
