"""The program: what it says where music is missing, and what a training leaves behind."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from musisep_cli.methods.identity import weights
from musisep_cli.methods.identity.training import __main__ as program
from tests.unit.methods.identity.test_network import SMALL


def test_missing_music_is_said_in_a_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        program.app, ["learn", "--folder", str(tmp_path), "--out", str(tmp_path / "run")]
    )
    assert done.exit_code == 2
    assert "make the others first" in " ".join(done.output.replace("│", " ").split())


def test_a_training_leaves_checkpoint_weights_and_curve_and_goes_on(
    small_music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training").symlink_to(small_music)
    (tmp_path / "held-out").symlink_to(small_music)
    monkeypatch.setattr(program, "HELD_OUT_PIECES", 2)
    monkeypatch.setattr(program, "EXAM_BATCHES", 1)
    monkeypatch.setattr(program, "NetworkConfig", lambda: SMALL)
    out = tmp_path / "run"
    arguments = ["learn", "--folder", str(tmp_path), "--out", str(out), "--pieces", "2"]
    threads = torch.get_num_threads()
    try:
        first = CliRunner().invoke(program.app, [*arguments, "--steps", "1"])
        second = CliRunner().invoke(program.app, [*arguments, "--steps", "2"])
        made = ["--steps", "1", "--start", str(out / "network.safetensors")]
        third = CliRunner().invoke(
            program.app, [*arguments[:4], str(tmp_path / "other"), *arguments[5:], *made]
        )
    finally:
        torch.set_num_threads(threads)
    codes = [done.exit_code for done in (first, second, third)]
    assert codes == [0, 0, 0], third.output
    assert "going on from step 1" in second.output
    rows = (out / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]
    assert weights.load(out / "network.safetensors").config == SMALL
