"""Stored separation: what a folder holds is looked at before, and whole afterwards."""

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from musisep_cli import pictures
from musisep_cli.errors import OutputError
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.in_folder import look, separate_into
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording
from tests import small_method
from tests.signals import pure_tone

SAMPLES = 0.3 * pure_tone(300.0, duration_s=0.3, sample_rate_hz=8_000)
RECORDING = Recording(samples=SAMPLES[:, None].astype(np.float32), sample_rate_hz=8_000)
PRESET = next(iter(small_method.CrossoverMethod.presets))


def config(seeds: int = 1, **crossover: float) -> Config:
    return compose(PRESET, {"run": {"instruments": 2, "seeds": seeds}, "crossover": crossover})


def run(folder: RunFolder, wanted: Config, **how: bool) -> None:
    looked = look(folder, RECORDING, wanted, overwrite=how.get("overwrite", False))
    with patch.object(pictures, "write_spectrogram", lambda path, *_, **__: path.touch()):
        separate_into(
            folder,
            RECORDING,
            wanted,
            looked,
            device=torch.device("cpu"),
            on_progress=lambda progress: None,
            **how,
        )


def state(folder: RunFolder, wanted: Config, *, overwrite: bool = False) -> str:
    return look(folder, RECORDING, wanted, overwrite=overwrite).state


def test_a_folder_is_new_then_done_and_more_seeds_are_a_part(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix")
    assert state(folder, config()) == "new"
    assert state(folder, config(), overwrite=True) == "new"
    assert list(tmp_path.iterdir()) == []
    run(folder, config())
    states = [state(folder, config()), state(folder, config(2))]
    assert states[0] != states[1]
    assert "new" not in states
    assert state(folder, config(), overwrite=True) == "replaced"


def test_other_settings_need_overwrite(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix")
    run(folder, config())
    other = config(frequency_hz=700)
    with pytest.raises(OutputError, match=r"\[crossover\] frequency_hz = 500.0, now 700.0"):
        look(folder, RECORDING, other, overwrite=False)
    assert state(folder, other, overwrite=True) == "replaced"
    run(folder, other, overwrite=True)
    manifest = json.loads(folder.manifest.read_text())
    assert manifest["config"]["crossover"]["frequency_hz"] == 700


def test_a_run_in_parts_chooses_among_all_seeds(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix")
    run(folder, config(1))
    run(folder, config(2))
    manifest = json.loads(folder.manifest.read_text())
    assert [row["seed"] for row in manifest["ranking"]] == [1, 0]
    assert manifest["chosen_seed"] == 1
    assert manifest["config"]["run"]["seeds"] == 2
    assert all((folder.folder / name).exists() for name in manifest["files"])
    names = ("instrument-1", "instrument-2", "residual")
    written = sum(audio_file.Stored(folder.stem(name))[:] for name in names)
    np.testing.assert_allclose(written, RECORDING.samples, rtol=0, atol=1e-6)
