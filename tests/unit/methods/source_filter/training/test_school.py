"""School: a few steps help, a stop changes nothing, and the program goes on where it stopped."""

from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from musisep_cli.errors import ConfigError
from musisep_cli.methods.source_filter.network import Network, NetworkConfig
from musisep_cli.methods.source_filter.training import __main__ as program
from musisep_cli.methods.source_filter.training.mixing import Mixer
from musisep_cli.methods.source_filter.training.school import (
    School,
    SchoolConfig,
    examine,
    lesson,
)
from tests.small import seeded
from tests.unit.methods.source_filter.made import SMALL


def school(steps: int, config: NetworkConfig = SMALL) -> School:
    with seeded(0):
        network = Network(config)
    return School(SchoolConfig(steps=steps, warmup_steps=2), Mixer(4, 0, 1), network)


def test_a_few_steps_help_and_a_stop_changes_nothing(tmp_path: Path) -> None:
    whole = school(3)
    asked = [Mixer(4, 1, 1).batch(0, 2)]
    before = examine(whole.network, asked)
    list(whole.run())
    after = examine(whole.network, asked)
    assert after.loss < before.loss
    assert after.loss == pytest.approx(float(lesson(whole.network, asked[0]).detach()), rel=1e-5)
    assert after.sdr_db < after.ideal_sdr_db
    first = school(3)
    next(first.run())
    first.save(tmp_path / "checkpoint.pt")
    again = school(3)
    again.resume(tmp_path / "checkpoint.pt")
    list(again.run())
    for name, value in whole.average.items():
        torch.testing.assert_close(again.average[name], value, rtol=0, atol=0)
    other = school(3, NetworkConfig(encoder_units=4, hidden_units=8, latent=4))
    with pytest.raises(ConfigError, match="of another size"):
        other.resume(tmp_path / "checkpoint.pt")


@pytest.mark.slow
def test_the_program_leaves_weights_and_a_curve_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "NetworkConfig", lambda: SMALL)
    monkeypatch.setattr(program, "EXAM_BATCHES", 1)
    app = typer.Typer()
    app.command()(program.main)
    for steps in (1, 2):
        arguments = ["--out", str(tmp_path), "--steps", str(steps), "--phrases", "4"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    assert "going on from step 1" in result.output
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]
    assert (tmp_path / "voices.safetensors").stat().st_size > 1000
