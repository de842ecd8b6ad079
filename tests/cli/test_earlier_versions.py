"""Folders that musisep 0.2.0.dev0 left: read, and not gone on with."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musisep_cli.cli.app import app
from tests.cli.separating import invoke

MADE = Path(__file__).parents[1] / "data" / "made-by-0.2.0.dev0"


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one of them, where the command that made it would look for it."""
    target = tmp_path / "musisep" / "duet"
    shutil.copytree(MADE / request.param, target)
    return target


@pytest.mark.parametrize(
    ("folder", "method"),
    [("quick", "preset quick, 2 steps of 2 frames"), ("standard", "preset standard, no training")],
    indirect=["folder"],
)
def test_a_finished_separation_is_inspected(folder: Path, method: str, tmp_path: Path) -> None:
    flags = ["inspect", str(folder), "--plots", str(tmp_path / "plots")]
    shown = CliRunner().invoke(app, flags)
    assert shown.exit_code == 0, shown.output
    assert f"musisep 0.2.0.dev0, {method}" in shown.stdout
    assert "Dictionary: harmonics in dB" in shown.stdout
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    curves = {"duet-curves.png"} if "steps" in method else set()
    assert names == {"duet-certificate.png", "duet-dictionary.png", "duet-pitch.png"} | curves


@pytest.mark.parametrize("folder", ["standard"], indirect=True)
def test_a_finished_separation_is_evaluated(folder: Path, tmp_path: Path) -> None:
    references = tmp_path / "references"
    references.mkdir()
    for stem in folder.glob("instrument-*.flac"):
        shutil.copy(stem, references)
    result = CliRunner().invoke(app, ["evaluate", str(folder), str(references), "--json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["takes"][0]["references"]) == 2


@pytest.mark.parametrize("folder", ["quick", "standard"], indirect=True)
def test_a_finished_separation_is_refused_with_the_reason(
    folder: Path, repository: Path, tmp_path: Path
) -> None:
    flags = ("-n", 2, "--duration", 0.5, "--flac", "--int16", "--cpu", "-o", tmp_path)
    preset = ("--preset", json.loads((folder / "manifest.json").read_text())["config"]["preset"])
    result = invoke(repository / "examples" / "duet.flac", *flags, *preset, "--resume")
    assert result.exit_code == 1
    assert "was made by musisep 0.2.0.dev0" in result.stderr


@pytest.mark.parametrize("folder", ["stopped"], indirect=True)
def test_a_seed_that_was_interrupted_is_refused_and_not_lost(
    folder: Path, repository: Path, tmp_path: Path
) -> None:
    checkpoint = folder / "seeds" / "000" / "resume.pt"
    before = checkpoint.read_bytes()
    flags = ("-n", 2, "--preset", "quick", "--duration", 0.5, "--cpu", "-o", tmp_path)
    result = invoke(repository / "examples" / "duet.flac", *flags, "--resume")
    assert result.exit_code == 1
    assert "was kept by another version of musisep" in result.stderr
    assert checkpoint.read_bytes() == before
