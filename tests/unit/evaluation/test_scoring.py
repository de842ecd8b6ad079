"""Scoring of takes: assignment, silence, surplus, and failures that do not stop the others."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli.evaluation.results import Options, TakeResult
from musisep_cli.evaluation.scoring import evaluate, score_take
from musisep_cli.evaluation.takes import Request
from tests.unit.evaluation.made import noise, take_of

FIRST, SECOND = noise(seed=1), noise(seed=2)


def request(folder: Path, name: str = "take") -> Request:
    return Request(name=name, stems=(folder / "stems",), references=(folder / "refs",))


def scored(folder: Path, stems: list[np.ndarray], **options: bool) -> TakeResult:
    references = {"a": FIRST, "b": SECOND}
    take_of(folder, references=references, stems=stems, mix=FIRST + SECOND)
    return score_take(request(folder), Options(**options))


def test_stems_find_their_references_and_beat_the_mixture(tmp_path: Path) -> None:
    take = scored(tmp_path, [0.5 * SECOND + 0.05 * FIRST, FIRST], ceiling=True)
    assert [each.stem for each in take.references] == ["instrument-2", "instrument-1"]
    perfect, leaking = (each.scores for each in take.references)
    assert perfect.sdr_db == np.inf
    assert leaking.sdr_db == pytest.approx(20.0, abs=0.5)  # a tenth of the other
    assert leaking.mix_sdr_db == pytest.approx(0.0, abs=0.5)
    assert leaking.sdr_db - leaking.mix_sdr_db == leaking.sdr_improvement_db
    assert leaking.ceiling_sdr_db is not None
    assert 3 < leaking.ceiling_sdr_db < 20
    assert take.notices == ()


def test_a_silent_stem_is_named_beside_the_reference_left_over(tmp_path: Path) -> None:
    take = scored(tmp_path, [np.zeros(8_000), SECOND])
    silent, other = take.references
    assert (silent.stem, silent.note) == ("instrument-1", "silent stem")
    assert silent.scores.sdr_db is None
    assert other.scores.sdr_db == np.inf
    assert "instrument-1.wav: silent (below -120 dB), not scored." in take.notices[0]


def test_too_few_and_too_many_stems(tmp_path: Path) -> None:
    take = scored(tmp_path / "few", [SECOND])
    assert [each.note for each in take.references] == ["no stem", ""]
    assert "1 stems for 2 references." in take.notices
    take = scored(tmp_path / "many", [SECOND, noise(seed=7), FIRST])
    assert [each.stem for each in take.references] == ["instrument-3", "instrument-1"]
    assert any("without a reference, not scored" in notice for notice in take.notices)


def test_a_late_stem_is_told_and_with_align_corrected(tmp_path: Path) -> None:
    late = np.append(np.zeros(40), FIRST[:-40])
    told = scored(tmp_path, [late, SECOND]).references[0]
    corrected = scored(tmp_path, [late, SECOND], align=True).references[0]
    assert (told.lag_samples, corrected.lag_samples) == (40, 40)
    assert told.scores.sdr_db is not None
    assert corrected.scores.sdr_db is not None
    assert told.scores.sdr_db < 0 < 15 < corrected.scores.sdr_db


def test_one_failed_take_stops_no_other(tmp_path: Path) -> None:
    scored(tmp_path, [FIRST, SECOND])
    begun: list[str] = []
    missing = request(tmp_path / "none", "missing")
    missing.stems[0].mkdir(parents=True)
    missing.references[0].mkdir()
    result = evaluate([missing, request(tmp_path)], Options(), on_take=begun.append)
    assert begun == ["missing", "take"]
    assert [failed.name for failed in result.failed] == ["missing"]
    assert "no stems here" in result.failed[0].error
    assert result.mean.sdr_db == np.inf


def test_the_seeds_of_a_run_are_takes_of_one_group(tmp_path: Path) -> None:
    for number, stems in enumerate(([FIRST, SECOND], [FIRST + 0.1 * SECOND, SECOND])):
        folder = tmp_path / "run" / "seeds" / f"{number:03d}"
        take_of(folder, references={"a": FIRST, "b": SECOND}, stems=stems)
        for path in (folder / "stems").iterdir():
            path.rename(folder / path.name)
    run = Request(
        name="run",
        stems=(tmp_path / "run",),
        references=(tmp_path / "run" / "seeds" / "000" / "refs",),
    )
    result = evaluate([run], Options(), seeds=True)
    assert [(take.group, take.seed) for take in result.takes] == [("run", 0), ("run", 1)]
    [summary] = result.seeds
    assert (summary.best_seed, summary.n_seeds) == (0, 2)
