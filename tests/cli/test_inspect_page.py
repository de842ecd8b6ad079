"""`musisep inspect` of runs with several seeds: the page, and how far the seeds agree."""

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from musisep_cli.inspection.page.write import holds_all_seeds
from tests.runs import Run, finished_run


@pytest.fixture(scope="module")
def duet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of three seeds, the second of which swaps the instruments at the end."""
    return finished_run(tmp_path_factory.mktemp("duet"), duration_s=3.0)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def test_the_page_and_its_path(duet: Run) -> None:
    page = duet.folder / "listen.html"
    for flags, holds_all in ((("--page",), False), (("--page", "--all-seeds"), True)):
        result = run(duet.folder, *flags, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["files"] == [str(page)]
        assert holds_all_seeds(page) == holds_all


def test_how_far_the_seeds_agree(duet: Run) -> None:
    found = json.loads(run(duet.folder, "--json").stdout)["agreement"]
    shares = {row["seed"]: row["share"] for row in found["seeds"]}
    assert found["share"] == shares[0] == shares[2]
    assert shares[1] < shares[0] < 1
    [doubt] = found["doubts"]
    assert 1.5 < doubt["start_s"] < 2.6 < doubt["end_s"] <= 3.01
    shown = " ".join(run(duet.folder).stdout.split())
    words = f"the other seeds have {shares[0]:.0%} of its notes in the same hands; less than 60%"
    assert words in shown


def test_one_seed_has_nothing_to_agree_with(tmp_path: Path) -> None:
    single = finished_run(tmp_path, n_seeds=1, duration_s=1.0)
    assert json.loads(run(single.folder, "--json").stdout)["agreement"] is None
    assert "agreement" not in run(single.folder).stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--all-seeds",), "--all-seeds: says what --page writes"),
        (("--page", "env"), "--page: env is no separation"),
    ],
)
def test_flags_that_do_not_go_together(duet: Run, flags: tuple[str, ...], words: str) -> None:
    result = run(duet.folder, *flags)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_page_of_a_sound_is_refused(duet: Run, tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(duet.recording)
    soundfile.write(tmp_path / "a.wav", samples, rate_hz)
    result = run(tmp_path / "a.wav", "--page", "--no-estimate")
    assert result.exit_code == 2
    assert "is no separation" in result.stderr


def test_a_run_without_its_stems_has_no_page(tmp_path: Path) -> None:
    single = finished_run(tmp_path, n_seeds=1, duration_s=0.5)
    (single.folder / "instrument-2.wav").unlink()
    result = run(single.folder, "--page")
    assert result.exit_code == 1
    assert "the sound of instrument-2 is missing" in result.stderr
    assert not (single.folder / "listen.html").exists()
