"""`-n auto`: every recording gets as many stems as it has lines."""

from pathlib import Path
from typing import Any

import pytest

from musisep_cli.methods import registry
from musisep_cli.sound.recording import Recording
from tests.cli.separating import manifest, results, separate, write_recording


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
