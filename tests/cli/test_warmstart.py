"""The program that makes the shipped weights, as far as it takes no time."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    command = [sys.executable, "-m", "musisep_cli.methods.policy.warmstart", "--out", str(out)]
    done = subprocess.run(
        [*command, "--device", "cuda"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "finds no GPU on this machine" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
