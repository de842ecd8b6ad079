"""Seeds of a run: their spread, the one chosen blind, and manifests that do not tell."""

import json
import math
from pathlib import Path

import pytest

from musisep_cli.errors import InputError
from musisep_cli.evaluation.results import Ratios, ReferenceResult, TakeResult
from musisep_cli.evaluation.seeds import summarise


def seed(number: int, sdr_db: float | None) -> TakeResult:
    result = ReferenceResult(reference="a", stem="b", scores=Ratios(sdr_db=sdr_db))
    return TakeResult(
        name=f"seed {number}",
        sample_rate_hz=8_000,
        n_samples=1,
        n_channels=1,
        references=(result,),
        seed=number,
    )


def write_manifest(folder: Path, content: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(content))


def test_the_spread_and_the_blind_choice(tmp_path: Path) -> None:
    ranking = [{"seed": 2, "objective": 0.5}, {"seed": 0, "objective": 0.7}]
    write_manifest(tmp_path, {"chosen_seed": 2, "ranking": ranking})
    summary = summarise(tmp_path, [seed(0, 8.0), seed(1, 2.0), seed(2, 5.0)], "run")
    assert (summary.take, summary.n_seeds) == ("run", 3)
    assert (summary.mean_sdr_db, summary.std_sdr_db) == (5.0, 3.0)
    assert (summary.best_seed, summary.best_sdr_db, summary.worst_sdr_db) == (0, 8.0, 2.0)
    assert (summary.chosen_seed, summary.chosen_sdr_db) == (2, 5.0)
    assert list(summary.objectives.items()) == [(2, 0.5), (0, 0.7)]


def test_one_seed_or_infinite_scores_have_no_deviation(tmp_path: Path) -> None:
    assert summarise(tmp_path, [seed(0, 3.0)], "run").std_sdr_db is None
    summary = summarise(tmp_path, [seed(0, 3.0), seed(1, math.inf)], "run")
    assert (summary.std_sdr_db, summary.best_seed) == (None, 1)


def test_seeds_without_a_score_or_an_objective(tmp_path: Path) -> None:
    ranking = [{"seed": 1, "objective": 0.5}, {"seed": 0, "objective": None}]
    write_manifest(tmp_path, {"chosen_seed": 1, "ranking": ranking})
    summary = summarise(tmp_path, [seed(0, None), seed(1, None)], "run")
    assert summary.best_seed is None
    assert summary.chosen_sdr_db is None
    assert summary.objectives == {1: 0.5}


def test_a_folder_without_a_manifest_tells_no_choice(tmp_path: Path) -> None:
    summary = summarise(tmp_path, [seed(0, 3.0)], "run")
    assert (summary.chosen_seed, summary.objectives) == (None, {})


@pytest.mark.parametrize(
    "content", [{}, {"chosen_seed": None, "ranking": []}, {"chosen_seed": 0, "ranking": [1]}, []]
)
def test_a_manifest_that_is_damaged(tmp_path: Path, content: object) -> None:
    write_manifest(tmp_path, content)
    with pytest.raises(InputError, match="no usable chosen_seed and ranking"):
        summarise(tmp_path, [], "run")
