"""Everything that can be wrong with what is given: a line or two, and no training."""

import json
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from musisep_cli.methods.policy import separate as policy_separation
from tests.cli.separating import WARM_SETTINGS, invoke, results, separate, write_recording

RATE_HZ = 16_000


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training would be a bug, with a traceback."""
    monkeypatch.setattr(policy_separation, "new_policy", None)


def write_samples(path: Path, samples: NDArray[np.floating]) -> None:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")


def noisy(value: float) -> NDArray[np.float64]:
    samples = 0.1 * np.random.default_rng(0).standard_normal(RATE_HZ)
    samples[5000] = value
    return samples


def cut(path: Path) -> None:
    write_recording(path, duration_s=2.0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def promise(path: Path) -> None:
    """A header that announces 2 GB of samples which are not there."""
    write_recording(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.wav": (lambda path: None, "cannot be read (No such file or directory)"),
    "empty.wav": (Path.touch, "is empty (0 bytes)"),
    "zero length.wav": (lambda path: write_samples(path, np.zeros(0)), "holds no samples"),
    "text.wav": (lambda path: path.write_text("no sound"), "is not a sound file"),
    "picture.wav": (
        lambda path: path.write_bytes(b"\x89PNG\r\n" * 99),
        "is not a sound file",
    ),
    "truncated.wav": (cut, "is cut off"),
    "truncated.flac": (cut, "or is damaged or cut off"),
    "truncated.ogg": (cut, "cut off"),
    "promising.wav": (promise, "is cut off"),
    "nan.wav": (lambda path: write_samples(path, noisy(np.nan)), "1 samples are NaN, infinite"),
    "infinite.wav": (lambda path: write_samples(path, noisy(-np.inf)), "NaN, infinite"),
    "silent.wav": (lambda path: write_samples(path, np.zeros(RATE_HZ)), "is silent"),
    "dc.wav": (lambda path: write_samples(path, np.full(RATE_HZ, 0.5)), "is one constant (DC)"),
    "short.wav": (lambda path: write_recording(path, duration_s=0.2), "at least 0.25 s"),
    "4 kHz.wav": (
        lambda path: write_recording(path, sample_rate_hz=4000, duration_s=1.0),
        "sample rate of 4000 Hz; 8000 to 384000 Hz are needed",
    ),
    "folder.wav": (Path.mkdir, "holds no sound files"),
    "no such*.wav": (lambda path: None, "no file matches this pattern"),
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", BAD)
def test_a_recording_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    make(tmp_path / name)
    result = separate(tmp_path, tmp_path / name, "-n", 2, exit_code=1)
    assert_told(result.stderr, words)
    assert str(tmp_path / name) in result.stderr
    assert not (tmp_path / "out").exists()


def assert_told(messages: str, words: str) -> None:
    """One error of a line or two (what a terminal folds is one), after the headline."""
    errors = messages.partition("error: ")[2].strip().splitlines()
    assert 1 <= len(errors) <= 2, messages
    assert words in errors[0]
    assert "Traceback" not in messages


@pytest.mark.usefixtures("no_training")
def test_one_bad_recording_after_the_other(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in BAD]
    for path in paths:
        BAD[path.name][0](path)
    result = separate(tmp_path, *paths, "-n", 2, exit_code=1)
    assert f"{len(BAD)} recordings: {len(BAD)} failed" in result.stdout
    assert result.stderr.count("error: ") == len(BAD)


@pytest.mark.usefixtures("no_training")
def test_an_unreadable_recording(forbidden_folder: Path) -> None:
    path = forbidden_folder / "unreadable.wav"
    result = invoke(path, "-n", 2, "--preset", "quick", "--dry-run", "--cpu")
    assert result.exit_code == 1
    assert_told(result.stderr, "cannot be read (Permission denied)")


DICTIONARIES = {
    "not JSON": ("{", "not a valid JSON file"),
    "another JSON": ('{"format": "other"}', "this is not a dictionary of musisep"),
    "a list": ("[1, 2]", "this is not a dictionary of musisep"),
    "another size": (
        '{"format": "musisep-dictionary-1", "instruments": [[1, 0.5, 0.25]]}',
        "the dictionary holds 1 instruments, the separation asks for 2",
    ),
    "out of bounds": (
        '{"format": "musisep-dictionary-1", "instruments": [[1, 1e9], [1, -1]]}',
        "numbers between 0 and 2",
    ),
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", DICTIONARIES)
def test_a_dictionary_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    content, words = DICTIONARIES[name]
    file = tmp_path / "dictionary.json"
    file.write_text(content)
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 2, "--init-dictionary", file, exit_code=1)
    assert_told(result.stderr, words)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("flag", ["--config", "--init-dictionary"])
def test_a_folder_where_a_file_is_meant(tmp_path: Path, flag: str) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "-n", 2, "--cpu", "-o", tmp_path / "out", flag, tmp_path)
    assert result.exit_code in (1, 2)
    assert_told(result.stderr, "cannot be read (Is a directory)")


GOOD: dict[str, dict[str, object]] = {
    "8 kHz.wav": {"sample_rate_hz": 8000},
    "192 kHz.wav": {"sample_rate_hz": 192_000},
    "24 bit.wav": {"subtype": "PCM_24"},
    "beyond full scale.wav": {"subtype": "FLOAT", "peak": 7.0},
    "6 channels.wav": {"n_channels": 6},
    "spaces and 'quotes' \".wav": {},
    "🎻 emoji.wav": {},
    f"{'long' * 50}.wav": {},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_looks_odd_and_is_not(tmp_path: Path, name: str) -> None:
    path = write_recording(tmp_path / name, **GOOD[name])  # type: ignore[arg-type]
    separate(tmp_path, path, "-n", 1)
    folder = results(tmp_path, path.stem)
    parts = [soundfile.read(folder / f"{stem}.wav")[0] for stem in ("instrument-1", "residual")]
    reference = soundfile.read(path)[0]
    np.testing.assert_allclose(sum(parts), reference, rtol=0, atol=1e-6 * np.abs(reference).max())
    assert all(np.isfinite(part).all() for part in parts)


# Disks

N_DRAWN = 3  # pictures and the page, which the tests do not draw


def test_a_disk_that_fills_up_leaves_the_folder_resumable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1)
    expected = files(results(tmp_path, "mix"))
    # Every file that is renamed into its place in turn is the last that the disk has room for.
    genuine = Path.replace
    for room in range(len(expected) - N_DRAWN):
        left = room

        def replace(self: Path, target: Path) -> Path:
            nonlocal left
            if left == 0:
                raise OSError(28, "No space left on device")
            left -= 1
            return genuine(self, target)

        monkeypatch.setattr(Path, "replace", replace)
        result = separate(tmp_path, path, "-n", 1, "--overwrite", exit_code=1)
        assert_told(result.stderr, "No space left on device")
        assert not (results(tmp_path, "mix") / "manifest.json").exists()
        assert not list(tmp_path.rglob(".musisep-*"))
        monkeypatch.undo()
        separate(tmp_path, path, "-n", 1, "--resume")
        assert files(results(tmp_path, "mix")) == expected


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """Makes the system refuse to let any file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert before[1] == resource.RLIM_INFINITY
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("n_bytes", [1_000, 150_000])
def test_a_disk_that_fills_up_while_frames_are_heard(
    tmp_path: Path, largest_file: Callable[[int], None], n_bytes: int
) -> None:
    # Of 94 frames the first block does not fit, or the second.
    path = write_recording(tmp_path / "mix.wav", duration_s=2.0)
    (tmp_path / "warm.toml").write_text(WARM_SETTINGS)
    flags = ("--config", tmp_path / "warm.toml", "--out", tmp_path / "out", "--cpu")
    largest_file(n_bytes)
    result = invoke(path, *flags)
    assert result.exit_code == 1
    assert_told(result.stderr, "resume-listening.frames")
    assert_told(result.stderr, "cannot be written (File too large). Make space and --resume")
    assert list((results(tmp_path, "mix") / "seeds" / "000").iterdir()) == []
    largest_file(resource.RLIM_INFINITY)
    assert invoke(path, *flags, "--resume").exit_code == 0


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# Paths


@pytest.mark.usefixtures("no_training")
def test_a_manifest_as_settings_cannot_lead_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    content = {"config": {"run": {"instruments": 1}}, "output": {"filename": "../../x"}}
    file.write_text(json.dumps(content))
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "--config", file, "--cpu", "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert str(tmp_path / "out" / "musisep" / "mix") in result.stdout.replace("\n", "")


@pytest.mark.usefixtures("no_training")
def test_a_link_out_of_the_output_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out" / "musisep").mkdir(parents=True)
    (tmp_path / "out" / "musisep" / "mix").symlink_to(elsewhere)
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 1, exit_code=1)
    assert_told(result.stderr, "leads out of the output folder")
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kB at `out`; needs the right to mount one."""
    disk = tmp_path / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full(tmp_path: Path, small_disk: Path) -> None:
    path = write_recording(tmp_path / "mix.wav", duration_s=1.0)
    result = separate(tmp_path, path, "-n", 1, exit_code=1)
    assert_told(result.stderr, "space")
    assert not list(small_disk.rglob(".musisep-*"))
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    separate(tmp_path, path, "-n", 1, "--resume")
