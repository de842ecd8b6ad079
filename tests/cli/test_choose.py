"""`musisep choose`: what is on top afterwards, what is printed, what is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from musisep_cli import pictures
from musisep_cli.cli.app import app
from musisep_cli.inspection.page.write import holds_all_seeds, write_page
from tests.runs import finished_run


@pytest.fixture(autouse=True)
def drawn_as_empty_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "write_spectrogram", lambda path, *_, **__: path.touch())


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["choose", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def test_a_seed_is_put_on_top_and_the_page_follows(tmp_path: Path) -> None:
    folder = finished_run(tmp_path, duration_s=1.0).folder
    write_page(folder, all_seeds=True)
    result = run(folder, "--seed", 1, "--names", "clarinet, flute")
    assert result.exit_code == 0, result.output
    assert "seed 1, chosen by hand" in result.stdout
    assert "flute.wav" in result.stdout
    assert f"to hear it: {folder / 'listen.html'}" in result.stdout.replace("\n", "")
    assert holds_all_seeds(folder / "listen.html")
    assert 'value="clarinet"' in (folder / "listen.html").read_text("utf-8")


def test_json_and_no_page(tmp_path: Path) -> None:
    folder = finished_run(tmp_path, duration_s=1.0).folder
    write_page(folder)
    document = json.loads(run(folder, "--seed", 2, "--no-page", "--json").stdout)
    assert (document["chosen_seed"], document["chosen_by"]) == (2, "chosen by hand")
    assert all(Path(name).is_file() for name in document["files"])
    assert [stem["name"] for stem in document["stems"]][:2] == ["instrument-1", "instrument-2"]
    assert not (folder / "listen.html").exists()


def test_inspect_tells_that_it_was_chosen_by_hand(tmp_path: Path) -> None:
    folder = finished_run(tmp_path, duration_s=1.0).folder
    run(folder, "--seed", 2, "--names", "x,y", "--no-page")
    shown = CliRunner().invoke(app, ["inspect", str(folder)]).stdout
    assert "seed 2, chosen by hand (0.7, 40.0% above seed 0)" in shown
    assert "agreement" in shown


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("--seed", 9), 1, "seed 9 is not there, or damaged (whole are: 0, 1, 2)"),
        (("--seed", 1, "--names", "a"), 2, "1 names for 2 instruments"),
        (("--seed", 1, "--names", "a,b/c"), 2, "cannot be the name of a file"),
        ((), 2, "--seed"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    tmp_path: Path, arguments: tuple[object, ...], exit_code: int, words: str
) -> None:
    folder = finished_run(tmp_path, duration_s=0.5).folder
    before = (folder / "manifest.json").read_bytes()
    result = run(folder, *arguments)
    assert result.exit_code == exit_code
    assert words in " ".join(result.output.replace("│", " ").split())
    assert (folder / "manifest.json").read_bytes() == before


def test_a_damaged_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = finished_run(tmp_path, duration_s=0.5).folder
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"wall_s"', '"wall"'), "utf-8")
    before = {path: path.read_bytes() for path in folder.glob("*.*")}
    result = run(folder, "--seed", 1)
    assert result.exit_code == 1
    assert "is incomplete or was changed" in result.stderr
    assert {path: path.read_bytes() for path in folder.glob("*.*")} == before


def test_what_is_no_separation_is_refused(tmp_path: Path) -> None:
    for what in (tmp_path, tmp_path / "none.wav"):
        result = run(what, "--seed", 0)
        assert result.exit_code == 1
        assert "error: " in result.stderr
