"""`--without`: the recording without one instrument, to play along with."""

import json
from pathlib import Path

import soundfile
from numpy.testing import assert_allclose

from tests.cli.separating import hashes, manifest, results, separate, write_recording

NAMES = ("without-instrument-1", "without-instrument-2")


def test_it_is_the_recording_minus_the_stem(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav", n_channels=2)
    separate(tmp_path, path, "-n", 2, "--without")
    mix, _ = soundfile.read(path)
    for number, name in enumerate(NAMES, 1):
        stem, _ = soundfile.read(results(tmp_path, "mix") / f"instrument-{number}.wav")
        rest, _ = soundfile.read(results(tmp_path, "mix") / f"{name}.wav")
        assert_allclose(rest + stem, mix, atol=1e-6)
    assert {f"{name}.wav" for name in NAMES} <= set(manifest(tmp_path, "mix")["files"])
    assert [stem["name"] for stem in manifest(tmp_path, "mix")["stems"]] == [
        "instrument-1",
        "instrument-2",
        "residual",
    ]


def test_asked_for_later_nothing_is_separated_again(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 2)
    seeds = hashes(results(tmp_path, "mix") / "seeds")
    result = separate(tmp_path, path, "-n", 2, "--without", "--json")
    document = json.loads(result.stdout)
    assert {Path(file).name for file in document["files"]} >= {f"{name}.wav" for name in NAMES}
    assert hashes(results(tmp_path, "mix") / "seeds") == seeds
    again = separate(tmp_path, path, "-n", 2, "--without")
    assert "nothing to do" in again.stderr
