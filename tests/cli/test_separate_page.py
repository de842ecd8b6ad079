"""`musisep separate` and the listening page: when it is written, and when it is not."""

import json
from pathlib import Path

from musisep_cli.inspection.page import write
from tests.cli.separating import contents, manifest, results, separate, write_recording


def test_a_separation_ends_with_its_page(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav", n_channels=2)
    result = separate(tmp_path, path, "-n", 2, paged=True)
    page = results(tmp_path, "mix") / "listen.html"
    assert f"to hear it: {page}" in result.stdout.replace("\n", "")
    assert page.read_text("utf-8").count('type="text/plain"') == 4
    assert "listen.html" not in manifest(tmp_path, "mix")["files"]


def test_no_page_writes_none(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 1, "--no-page", "--json", paged=True)
    assert not (results(tmp_path, "mix") / "listen.html").exists()
    assert not [name for name in json.loads(result.stdout)["files"] if name.endswith(".html")]


def test_a_page_that_is_missing_is_written_later(tmp_path: Path) -> None:
    """A kill between the manifest and the page leaves a run that is whole but for it."""
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1, "--no-page")
    before = contents(results(tmp_path, "mix"))
    separate(tmp_path, path, "-n", 1, "--no-page", paged=True)
    assert contents(results(tmp_path, "mix")) == before
    result = separate(tmp_path, path, "-n", 1, paged=True)
    after = contents(results(tmp_path, "mix"))
    assert "nothing to do" in result.stderr
    assert "listen.html" in result.stderr
    assert after.keys() - before.keys() == {"listen.html"}
    assert {name: after[name] for name in before} == before
    shown = separate(tmp_path, path, "-n", 1, "--dry-run", paged=True)
    assert "written" not in shown.stderr


def test_the_page_of_an_earlier_separation_does_not_stay(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1)
    separate(tmp_path, path, "-n", 2, "--overwrite", "--no-page")
    assert not (results(tmp_path, "mix") / "listen.html").exists()
    separate(tmp_path, path, "-n", 2)
    separate(tmp_path, path, "-n", 2, "--seeds", 2, "--no-page")
    assert not (results(tmp_path, "mix") / "listen.html").exists()


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The stems are there all the same, and the exit code says that not all is."""
    path = write_recording(tmp_path / "mix.wav")
    (results(tmp_path, "mix") / "listen.html").mkdir(parents=True)
    result = separate(tmp_path, path, "-n", 1, exit_code=1, paged=True)
    assert "listen.html: cannot be written" in result.stderr
    assert "Traceback" not in result.output
    assert (results(tmp_path, "mix") / "instrument-1.wav").is_file()


def test_the_size_that_is_told_is_the_one_in_force(repository: Path) -> None:
    text = (repository / "docs" / "listening.md").read_text("utf-8")
    assert f"{write.LARGEST_BYTES // 1_000_000} MB" in text
