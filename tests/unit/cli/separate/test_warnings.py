"""Warnings of separate: of crowded cores before, of coarse stems and failed steps after."""

import os

import pytest

from musisep_cli.cli.separate.warnings import COARSE, of_crowding, of_result
from musisep_cli.run.settings.compose import compose
from tests.unit.cli.separate.test_job import job


def test_more_threads_than_cores_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    crowded = compose("quick", {"run": {"seeds": 4, "threads": 2}})
    [told] = of_crowding(job(config=crowded, jobs=4))
    assert told.startswith("4 seeds of 2 threads each on 4 cores")
    assert told.endswith("use --threads 1")
    assert of_crowding(job(config=crowded, jobs=2)) == []
    assert of_crowding(job(config=crowded, jobs=1)) == []


def test_coarse_stems_and_skipped_steps_are_warned_of() -> None:
    config = compose("quick", {"training": {"iterations": 100}}).to_json()
    row = {"seed": 3, "n_skipped_steps": 1}
    manifest = {
        "config": config,
        "sum_error": COARSE,
        "output": {"subtype": "int16"},
        "ranking": [row],
    }
    assert of_result(manifest) == []
    coarse, skipped = of_result(
        {**manifest, "sum_error": 2 * COARSE, "ranking": [{**row, "n_skipped_steps": 2}]}
    )
    assert "too quiet for int16" in coarse
    assert skipped == "seed 3: 2 of 100 steps were not finite, and skipped"
