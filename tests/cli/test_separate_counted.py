"""`-n auto`: as many stems as lines; `-n 1,2`: once for each number, and compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.methods import registry
from musisep_cli.sound.recording import Recording
from tests.cli.separating import invoke, manifest, results, separate, write_recording


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Numbers of lines by the names of recordings, in place of the network's count."""
    numbers: dict[str, int] = {}

    def n_lines(recording: Recording, *_: Any) -> int:
        assert recording.path is not None
        return numbers[recording.path.stem]

    monkeypatch.setattr(registry.get("decoding"), "n_lines", n_lines)
    return numbers


def test_each_recording_has_as_many_stems_as_lines(tmp_path: Path, counted: dict[str, int]) -> None:
    counted |= {"one": 1, "three": 3}
    paths = [write_recording(tmp_path / f"{name}.wav") for name in counted]
    result = separate(tmp_path, *paths, "-n", "auto")
    assert "as many instruments as lines are counted" in result.stderr
    for path in paths:
        number = counted[path.stem]
        assert f"{path}: speaks for {number} line" in result.stderr
        stems = sorted(file.name for file in results(tmp_path, path.stem).glob("instrument-*.wav"))
        assert stems == [f"instrument-{k + 1}.wav" for k in range(number)]
        assert manifest(tmp_path, path.stem)["config"]["run"]["instruments"] == number
    again = separate(tmp_path, *paths, "-n", "auto")
    assert again.stderr.count("nothing to do") == 2


def test_a_number_that_is_none_is_told_of_auto(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", "htdemucs", exit_code=2)
    assert "or auto" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "flags", [("--melody",), ("--voices", "1,4"), ("--melody", "--voices", "2")]
)
def test_a_number_that_is_told_is_not_counted(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "-n", "auto", *flags, "--out", tmp_path / "out", "--cpu")
    assert result.exit_code == 2
    assert "error: " in result.stderr
    assert not (tmp_path / "out").exists()


def test_who_counts_and_tells_the_number_is_asked_for_it(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "-n", "auto", "--melody", "--out", tmp_path / "out", "--cpu")
    assert "tell how many there are: give that number as -n" in result.stderr


def test_each_of_several_numbers_has_stems_of_its_own(
    tmp_path: Path, counted: dict[str, int]
) -> None:
    counted["mix"] = 2
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", "1,2,1")
    for number in (1, 2):
        folder = results(tmp_path, f"mix/n-{number}")
        stems = sorted(file.name for file in folder.glob("instrument-*.wav"))
        assert stems == [f"instrument-{k + 1}.wav" for k in range(number)]
        assert str(folder.name) in result.stdout
    assert "left over" in result.stdout
    assert "speaks for 2 lines" in result.stdout
    assert not (results(tmp_path, "mix") / "manifest.json").exists()
    again = separate(tmp_path, path, "-n", "1,2", "--json")
    assert again.stderr.count("nothing to do") == 2
    *_, told = map(json.loads, again.stdout.splitlines())
    assert (told["input"], told["lines"]) == (str(path), 2)
    for found in told["numbers"]:
        content = manifest(tmp_path, f"mix/n-{found['instruments']}")
        assert found["objective"] == content["ranking"][0]["objective"]
        assert found["left_over"] == content["stems"][-1]["energy_share"]


def test_one_bad_number_of_several_is_told_before_anything_is_done(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", "1,two", exit_code=2)
    seven = tmp_path / "seven.toml"
    seven.write_text("[policy]\nexponents = [1.0]\n")
    result = invoke(path, "-n", "6,7", "-o", tmp_path / "out", "--cpu", "--config", seven)
    assert result.exit_code == 2
    assert "standard for -n 6 and quick for -n 7" in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_dry_run_of_several_numbers_writes_nothing(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", "1,2", "--dry-run")
    assert result.stdout.count("Dry run") == 2
    assert not (tmp_path / "out").exists()
