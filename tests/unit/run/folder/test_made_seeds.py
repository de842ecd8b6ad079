"""Made seeds: only what lies there whole, and of the same run, counts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from musisep_cli.run.checkpoint import NEWEST
from musisep_cli.run.folder import made_seeds
from musisep_cli.run.ranking import SeedScore
from tests.unit.run.folder.written import RUN, written


def test_a_seed_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = written(tmp_path, 3)
    assert made_seeds.read(folder, 3, RUN) == SeedScore(3, "crossover", 0.5, 2.0, 0)
    stems = made_seeds.stems(folder, 3)
    np.testing.assert_allclose([stem[:][0, 0] for stem in stems], [0.25, -0.25], atol=1e-6)


def test_seeds_of_other_runs_are_told_apart(tmp_path: Path) -> None:
    folder = written(tmp_path, 0, 1)
    written(tmp_path, 2, run="another")
    assert [row.seed for row in made_seeds.found(folder, RUN)] == [0, 1]
    assert made_seeds.of_other_runs(folder, RUN) == {2: {"config": {}}}
    assert made_seeds.numbers(folder) == [0, 1, 2]


@pytest.mark.parametrize("damage", ["changed", "lost", "summary", "outside", "number"])
def test_a_seed_that_is_not_whole_is_not_done(tmp_path: Path, damage: str) -> None:
    folder = written(tmp_path, 0, 1)
    target = folder.seed(1)
    summary = target / made_seeds.SUMMARY
    content = json.loads(summary.read_text())
    match damage:
        case "changed":
            (target / "instrument-1.wav").write_bytes(b"other")
        case "lost":
            (target / "pitch.csv").unlink()
        case "summary":
            summary.write_text("{")
        case "outside":
            content["files"]["../../other"] = "digest"
            summary.write_text(json.dumps(content))
        case "number":
            content["seed"] = 0
            summary.write_text(json.dumps(content))
    assert [row.seed for row in made_seeds.found(folder, RUN)] == [0]


def test_a_seed_that_ended_with_numbers_that_are_not_finite_is_done(tmp_path: Path) -> None:
    folder = written(tmp_path, 0, level=math.nan)
    row = made_seeds.read(folder, 0, RUN)
    assert row is not None
    assert row.objective == math.inf
    assert made_seeds.summary(row)["objective"] is None
    assert made_seeds.file_names(folder.seed(0)) == set()


def test_stopped_seeds_have_a_checkpoint_and_no_summary(tmp_path: Path) -> None:
    folder = written(tmp_path, 0)
    for seed in (0, 4):
        folder.seed(seed).mkdir(exist_ok=True)
        (folder.seed(seed) / NEWEST).touch()
    (folder.folder / "seeds" / "notes").mkdir()
    (folder.folder / "seeds" / "notes" / NEWEST).touch()
    assert made_seeds.stopped(folder) == [4]


def test_file_names_leave_out_what_lies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / made_seeds.SUMMARY).write_text('{"files": {"a.wav": "", "../b.wav": ""}}')
    assert made_seeds.file_names(tmp_path) == {"a.wav"}
    (tmp_path / made_seeds.SUMMARY).write_text('{"files": 3}')
    assert made_seeds.file_names(tmp_path) == set()
