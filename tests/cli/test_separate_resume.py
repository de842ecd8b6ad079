"""Runs that are interrupted, made in parts, or at the same time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from musisep_cli.machine import locks
from musisep_cli.run.checkpoint import NEWEST
from musisep_cli.run.folder import make_seed, tables
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound import audio_file
from tests.cli import separating
from tests.cli.separating import (
    TINY_SETTINGS,
    WARM_SETTINGS,
    contents,
    hashes,
    invoke,
    manifest,
    results,
    separate,
    write_recording,
    write_settings,
)

FLAGS = ("-n", 2, "--seeds", 2, "--iterations", 4)
IN_BFLOAT16 = TINY_SETTINGS.replace("[run]", '[run]\nprecision = "bfloat16"')
# Of everything: points from which a seed can go on are 4 steps and 1 block.


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a separation that nothing interrupted. Not to be changed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    separate(folder, write_recording(folder / "mix.wav"), *FLAGS)
    return folder


@pytest.mark.usefixtures("hangup_is_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("at", [2, 5, 8])
def test_an_interrupted_run_goes_on_to_the_same_files(
    tmp_path: Path, undisturbed: Path, at: int, number: int, strike: Any
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    strike(at, lambda: os.kill(os.getpid(), number))
    result = separate(tmp_path, path, *FLAGS, exit_code=130)
    assert f"seed {at // 6} in part; --resume goes on." in result.stderr
    assert not (results(tmp_path, "mix") / "manifest.json").exists()
    result = separate(tmp_path, path, *FLAGS, "--resume")
    assert f"seed {at // 6} goes on where it stopped" in result.stderr
    assert f"seed {at // 6}: going on with " in result.stderr
    assert "of 0\n" not in result.stderr
    assert result.stderr.count(f"seed {at // 6}: done after") == 1
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))
    assert "nothing to do" in separate(tmp_path, path, *FLAGS, "--resume").stderr


def test_an_interruption_counts_what_is_done(tmp_path: Path, strike: Any) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    bad = tmp_path / "bad.wav"
    good, last = (write_recording(tmp_path / name) for name in ("good.wav", "last.wav"))
    strike(2)
    result = separate(tmp_path, bad, good, "-n", 1, exit_code=130)
    assert "before it" not in result.stderr
    strike(5)
    result = separate(tmp_path, bad, good, last, "-n", 1, exit_code=130)
    assert f"interrupted in {last}" in result.stderr
    assert "Recordings done before it: 1." in result.stderr


def test_without_resume_a_seed_starts_over(
    tmp_path: Path, undisturbed: Path, strike: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    strike(3)
    separate(tmp_path, path, *FLAGS, exit_code=130)
    monkeypatch.undo()
    result = separate(tmp_path, path, *FLAGS)
    assert "seed 0 starts over (--resume would go on with it)" in result.stderr
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))


@pytest.mark.slow
def test_interrupted_jobs_go_on_to_the_same_files(tmp_path: Path, repository: Path) -> None:
    # Both workers are stopped while they listen: what they go on from is a file that is added to.
    write_recording(tmp_path / "mix.wav", duration_s=4.0, n_channels=2)
    (tmp_path / "settings.toml").write_text(WARM_SETTINGS)

    def start(out: str, *flags: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "musisep_cli", "separate", "mix.wav", "--cpu", "-o", out]
        return subprocess.Popen(
            [*command, "--config", "settings.toml", *flags],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stderr=subprocess.PIPE,
            text=True,
        )

    _, messages = (undisturbed := start("undisturbed")).communicate()
    assert undisturbed.returncode == 0, messages

    process = start("out", "-j", "2")
    seeds = [results(tmp_path, "mix") / "seeds" / name for name in ("000", "001")]
    heard = [seed / "resume-listening.frames" for seed in seeds]
    deadline_s = time.monotonic() + 120
    while not all(path.exists() and path.stat().st_size > 0 for path in heard):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate()
    assert process.returncode == 130, messages
    assert "seeds 0, 1 in part; --resume goes on" in messages
    assert all((seed / NEWEST).exists() for seed in seeds)

    _, messages = (again := start("out", "-j", "2", "--resume")).communicate()
    assert again.returncode == 0, messages
    for seed in (0, 1):
        assert f"seed {seed}: going on with " in messages
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_damaged_checkpoint_is_named(tmp_path: Path, undisturbed: Path, strike: Any) -> None:
    path = write_recording(tmp_path / "mix.wav")
    for _ in range(2):
        strike(2)
        separate(tmp_path, path, *FLAGS, "--resume", exit_code=130)
    newest = results(tmp_path, "mix") / "seeds" / "000" / NEWEST
    newest.write_bytes(newest.read_bytes()[:-100])
    result = separate(tmp_path, path, *FLAGS, "--resume")
    assert f"{newest}: is damaged or cut off" in result.stderr
    assert "the one before it is used" in result.stderr
    assert "going on with training from 2 of 4" in result.stderr
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path, strike: Any) -> None:
    path = write_recording(tmp_path / "mix.wav")
    strike(2)
    separate(tmp_path, path, "-n", 3, exit_code=130)
    result = separate(tmp_path, path, "-n", 1, "--resume")
    assert (
        "is a checkpoint of another recording, other settings or another version" in result.stderr
    )
    assert "starting over" in result.stderr


def test_seeds_made_one_by_one_are_chosen_from_as_if_made_at_once(
    tmp_path: Path, undisturbed: Path
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    for seed in (1, 0):
        separate(tmp_path, path, *FLAGS, "--seed", seed, "--seeds", 1)
        assert manifest(tmp_path, "mix")["config"]["run"]["first_seed"] == seed
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))
    assert "nothing to do" in separate(tmp_path, path, *FLAGS).stderr


def test_the_manifest_of_scattered_seeds_makes_the_same_stems_and_no_other_seeds(
    tmp_path: Path,
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, *FLAGS)
    separate(tmp_path, path, *FLAGS, "--seed", 5000, "--seeds", 1)
    made = results(tmp_path, "mix") / "manifest.json"
    chosen = manifest(tmp_path, "mix")["chosen_seed"]
    first, n_seeds = (5000, 1) if chosen == 5000 else (0, 2)
    run = manifest(tmp_path, "mix")["config"]["run"]
    assert (run["first_seed"], run["seeds"]) == (first, n_seeds)
    result = invoke(path, "--config", made, "--out", tmp_path / "again", "--cpu")
    assert result.exit_code == 0, result.output
    again = tmp_path / "again" / "musisep" / "mix"
    for stem in ("instrument-1.wav", "instrument-2.wav", "residual.wav"):
        assert (again / stem).read_bytes() == (made.parent / stem).read_bytes()
    assert len(list(again.glob("seeds/*"))) == n_seeds


def test_seeds_from_elsewhere_are_chosen_from(tmp_path: Path, undisturbed: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, *FLAGS, "--seeds", 1)
    copied = Path("seeds", "001")
    shutil.copytree(results(undisturbed, "mix") / copied, results(tmp_path, "mix") / copied)
    separate(tmp_path, path, *FLAGS)
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))


def test_who_stops_among_new_stems_leaves_no_manifest_of_the_old_ones(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, *FLAGS, "--seeds", 1)
    monkeypatch.setattr(tables, "write_pictures", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    separate(tmp_path, path, *FLAGS, exit_code=130)
    monkeypatch.undo()
    assert not (results(tmp_path, "mix") / "manifest.json").exists()
    separate(tmp_path, path, *FLAGS)
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))


def leave_checkpoints(folder: Path) -> list[Path]:
    """As a kill leaves them between a seed's summary and their removal."""
    paths = [folder / "seeds" / "000" / name for name in (NEWEST, "resume-listening.frames")]
    for path in paths:
        path.touch()
    return paths


def test_checkpoints_of_a_done_seed_are_removed(tmp_path: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed / "out", tmp_path / "out")
    folder = results(tmp_path, "mix")
    leave_checkpoints(folder)
    (folder / "manifest.json").unlink()
    result = separate(tmp_path, write_recording(tmp_path / "mix.wav"), *FLAGS, "--resume")
    assert "is there: seeds 0, 1 done and kept\n" in result.stderr
    assert contents(folder) == contents(results(undisturbed, "mix"))


def test_who_finds_a_seed_done_removes_its_checkpoints(tmp_path: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed / "out", tmp_path / "out")
    left = leave_checkpoints(results(tmp_path, "mix"))
    summary = json.loads((left[0].parent / "seed.json").read_text())
    make_seed.make(
        0,
        lambda _: None,
        lambda: False,
        recording=audio_file.read(write_recording(tmp_path / "mix.wav")),
        config=compose("quick"),
        device=torch.device("cpu"),
        folder=RunFolder(out=tmp_path / "out", track="mix"),
        run=summary["run"],
        made_from=summary["made_from"],
        resume=False,
    )
    assert not any(path.exists() for path in left)


def test_seeds_that_cannot_be_ranked_with_the_others_are_named(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    monkeypatch.setattr(separating, "TINY_SETTINGS", IN_BFLOAT16)
    (tmp_path / "elsewhere").mkdir()
    separate(tmp_path / "elsewhere", path, *FLAGS, "--seed", 1, "--seeds", 3)
    monkeypatch.undo()
    separate(tmp_path, path, *FLAGS, "--seeds", 1)
    folder, elsewhere = results(tmp_path, "mix"), results(tmp_path / "elsewhere", "mix")
    before = contents(folder)
    shutil.copytree(elsewhere / "seeds", folder / "seeds", dirs_exist_ok=True)
    summary = folder / "seeds" / "003" / "seed.json"  # as of 0.1.0
    content = json.loads(summary.read_text())
    del content["made_from"]
    summary.write_text(json.dumps(content))
    for flags in (("--seeds", 1), ("--seeds", 2, "--resume")):
        result = separate(tmp_path, path, *FLAGS, *flags, exit_code=1)
        assert (
            "holds seeds of another run: 1, 2 ([run] precision = bfloat16, now float32); 3 (made "
            f"by another version of musisep). Remove their folders in {folder / 'seeds'};"
        ) in result.stderr
    for seed in ("001", "002", "003"):
        shutil.rmtree(folder / "seeds" / seed)
    assert contents(folder) == before
    again = separate(tmp_path, path, *FLAGS)
    assert contents(folder) == contents(results(undisturbed, "mix")), again.output


@pytest.mark.parametrize("file", ["instrument-1.wav", "seed.json", "pitch.csv"])
def test_a_damaged_seed_is_made_again(tmp_path: Path, undisturbed: Path, file: str) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, *FLAGS)
    folder = results(tmp_path, "mix")
    (folder / "manifest.json").unlink()
    damaged = folder / "seeds" / "001" / file
    damaged.write_bytes(damaged.read_bytes()[:-3])
    separate(tmp_path, path, *FLAGS)
    assert contents(results(tmp_path, "mix")) == contents(results(undisturbed, "mix"))


def test_seeds_of_other_settings_are_kept(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, *FLAGS)
    (results(tmp_path, "mix") / "manifest.json").unlink()
    before = contents(results(tmp_path, "mix"))
    result = separate(tmp_path, path, "-n", 1, exit_code=1)
    assert "holds seeds of another run: 0, 1 ([run] instruments = 2, now 1;" in result.stderr
    assert "--overwrite replaces them" in result.stderr
    assert contents(results(tmp_path, "mix")) == before
    separate(tmp_path, path, "-n", 1, "--overwrite")


def test_who_holds_the_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    path = write_recording(tmp_path / "mix.wav")
    for folder in (results(tmp_path, "mix"), results(tmp_path, "mix") / "seeds" / "000"):
        folder.mkdir(parents=True)
        with locks.hold(folder, 0.0):
            result = separate(tmp_path, path, "-n", 1, exit_code=1)
        assert f"{folder}: is in use by process {os.getpid()} on " in result.stderr
        assert "--out" in result.stderr
        assert not (folder / ".lock").exists()


def test_two_processes_at_once_do_not_meet(
    tmp_path: Path, repository: Path, undisturbed: Path
) -> None:
    write_recording(tmp_path / "mix.wav")
    settings = str(write_settings(tmp_path))
    program = (
        "import sys; from musisep_cli import pictures; from musisep_cli.cli.app import main;"
        "pictures.write_spectrogram = lambda path, *_, **__: path.touch(); main()"
    )
    flags = [str(flag) for flag in FLAGS]
    command = [sys.executable, "-c", program, "separate", "mix.wav", "--cpu", "-o", "out", *flags]
    processes = [
        subprocess.Popen(
            [*command, "--config", settings],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        _, messages = process.communicate(timeout=120)
        assert process.returncode == 0, messages
    found, expected = (contents(results(each, "mix")) for each in (tmp_path, undisturbed))
    assert found.pop("listen.html") != expected.pop("listen.html")  # the latter is not written
    assert found == expected
    assert hashes(tmp_path) != {}
