"""Making of a seed: its files verified, the summary last, and nothing else left."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from musisep_cli.machine.files import sha256
from musisep_cli.methods.method import Progress
from musisep_cli.run.folder import made_seeds, make_seed
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound.recording import Recording
from tests.signals import pure_tone
from tests.small_method import CrossoverMethod
from tests.unit.run.folder.written import RUN, written

SAMPLES = 0.3 * pure_tone(300.0, duration_s=0.3, sample_rate_hz=8_000)
RECORDING = Recording(samples=SAMPLES[:, None].astype(np.float32), sample_rate_hz=8_000)
PRESET = next(iter(CrossoverMethod.presets))


def make(folder: RunFolder, *, stop_at: int | None = None, resume: bool = False) -> list[Progress]:
    told: list[Progress] = []
    make_seed.make(
        2,
        told.append,
        lambda: stop_at is not None and len(told) >= stop_at,
        recording=RECORDING,
        config=compose(PRESET, {"run": {"instruments": 2}}),
        device=torch.device("cpu"),
        folder=folder,
        run=RUN,
        made_from={},
        resume=resume,
    )
    return told


def files(folder: RunFolder) -> dict[str, str]:
    paths = sorted(folder.seed(2).iterdir())
    return {path.name: sha256(path) for path in paths if path.suffix == ".wav"}


def test_the_summary_holds_the_hash_of_every_other_file(tmp_path: Path) -> None:
    target = written(tmp_path, 1).seed(1)
    content = json.loads((target / made_seeds.SUMMARY).read_text())
    others = {path.name for path in target.iterdir()} - {made_seeds.SUMMARY}
    assert others == content["files"].keys()
    assert {"learned.bin", "dictionary.json", "pitch.csv", "instrument-2.wav"} <= others
    assert all(sha256(target / name) == digest for name, digest in content["files"].items())


def test_a_result_with_numbers_that_are_not_finite_leaves_only_the_summary(tmp_path: Path) -> None:
    target = written(tmp_path, 1, level=math.inf).seed(1)
    assert [path.name for path in target.iterdir()] == [made_seeds.SUMMARY]


def test_a_stopped_seed_goes_on_and_ends_with_the_same_stems(tmp_path: Path) -> None:
    whole, stopped = (RunFolder(out=tmp_path / name, track="mix") for name in ("a", "b"))
    make(whole)
    with pytest.raises(KeyboardInterrupt):
        make(stopped, stop_at=5)
    assert made_seeds.stopped(stopped) == [2]
    assert files(stopped) == {}
    told = make(stopped, resume=True)
    assert "going on with" in told[0].note
    assert files(stopped) == files(whole)
    assert made_seeds.stopped(stopped) == []


def test_a_seed_that_is_done_is_not_made_again(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix")
    assert make(folder)
    assert make(folder) == []
