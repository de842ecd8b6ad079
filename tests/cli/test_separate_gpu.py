"""The command on a GPU: what it writes is what the CPU writes, but for rounding."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from tests.cli.separating import invoke
from tests.signals import duet

RATE_HZ = 16_000
LARGEST_ERROR = 0.06
"""RMS, relative: -24 dB. Its convolutions round elsewhere, and a frame or two may be decoded
otherwise for it."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "mix.wav"
    soundfile.write(path, sum(duet(duration_s=3.0, sample_rate_hz=RATE_HZ).values()), RATE_HZ)
    return path


def stems(recording: Path, *flags: object) -> NDArray[np.float64]:
    """What the command writes, ``[i, t]``."""
    out = recording.parent / "out"
    result = invoke(recording, "-n", 2, "-o", out, "--overwrite", *flags)
    assert result.exit_code == 0, result.output
    return np.stack([soundfile.read(out / f"musisep/mix/instrument-{i}.wav")[0] for i in (1, 2)])


def test_the_stems_of_a_gpu_are_those_of_a_cpu(recording: Path) -> None:
    of_cpu = stems(recording, "--preset", "standard", "--cpu")
    of_gpu = stems(recording, "--preset", "standard", "--gpu")
    manifest = json.loads((recording.parent / "out/musisep/mix/manifest.json").read_text("utf-8"))
    assert manifest["device"].startswith("cuda")
    error = np.sqrt(np.square(of_gpu - of_cpu).sum(1) / np.square(of_cpu).sum(1))
    assert (error < LARGEST_ERROR).all()


@pytest.mark.parametrize("sampling", ["independent", "tree"])
def test_the_method_of_the_paper_trains_on_a_gpu(recording: Path, sampling: str) -> None:
    flags = ("--preset", "paper", "--gpu", "--iterations", 20, "--sampling", sampling)
    assert np.isfinite(stems(recording, *flags)).all()
    metrics = (recording.parent / "out/musisep/mix/seeds/000/metrics.csv").read_text("utf-8")
    assert len(metrics.splitlines()) == 1 + 20


@pytest.mark.parametrize("sampling", ["independent", "tree"])
def test_a_recorded_training_is_the_one_without(recording: Path, sampling: str) -> None:
    flags = ("--preset", "paper", "--gpu", "--iterations", 20, "--sampling", sampling)
    settings = recording.with_name("graphs.toml")
    settings.write_text("[run]\ncuda_graphs = true\n", encoding="utf-8")
    without = stems(recording, *flags)
    error = stems(recording, *flags, "--config", settings) - without
    assert np.sqrt(np.square(error).sum() / np.square(without).sum()) < LARGEST_ERROR


def test_a_seed_is_added_on_a_gpu(recording: Path) -> None:
    out = recording.parent / "out"
    flags = (recording, "-n", 2, "-o", out, "--preset", "quick", "--gpu", "--iterations", 20)
    assert invoke(*flags, "--seeds", 1).exit_code == 0
    assert invoke(*flags, "--seeds", 2).exit_code == 0
    ranking = json.loads((out / "musisep/mix/manifest.json").read_text("utf-8"))["ranking"]
    assert {row["seed"] for row in ranking} == {0, 1}
