"""A batch that is killed again and again ends as one that nobody disturbed."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.separating import WARM_SETTINGS, contents, write_recording

N_KILLS = 30
# As the command, but for checkpoints that come often enough for runs of seconds.
PROGRAM = (
    "from musisep_cli.methods.decoding import clear_frames;"
    "from musisep_cli.run import checkpoint; checkpoint.INTERVAL_S = 0.05;"
    "clear_frames.STEADY_FRAMES = 0;"  # what an untrained network finds changes from frame to frame
    "from musisep_cli.cli.app import main; main()"
)
LONGEST_LIFE_S = 6.0


def start(folder: Path, out: str, repository: Path) -> subprocess.Popen[str]:
    flags = ["separate", "songs", "--config", "settings.toml", "-o", out, "--resume", "--cpu"]
    flags += ["--iterations", "30"]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_batch_that_is_killed_thirty_times(tmp_path: Path, repository: Path) -> None:
    for name in ("a", "b", "c"):
        write_recording(tmp_path / "songs" / f"{name}.wav", duration_s=1.0, n_channels=2)
    (tmp_path / "settings.toml").write_text(WARM_SETTINGS)
    undisturbed = start(tmp_path, "undisturbed", repository)
    undisturbed.communicate()
    assert undisturbed.returncode == 0
    expected = contents(tmp_path / "undisturbed")
    assert len(expected) == 3 * (9 + 2 * 7)

    lives = random.Random(0)
    n_kills, n_finished = 0, 0
    while n_kills < N_KILLS:
        process = start(tmp_path, "killed", repository)
        assert process.stderr is not None
        if any(" -> " in line for line in process.stderr):  # at work; else all was done before
            time.sleep(lives.uniform(0.0, LONGEST_LIFE_S))
            process.kill()
        _, messages = process.communicate()
        if process.returncode == 0:  # the next one starts anew
            assert contents(tmp_path / "killed") == expected
            shutil.rmtree(tmp_path / "killed")
            n_finished += 1
        else:
            assert process.returncode == -9, messages
            n_kills += 1
    last = start(tmp_path, "killed", repository)
    _, messages = last.communicate()
    assert last.returncode == 0, messages
    assert contents(tmp_path / "killed") == expected
    print(f"{n_kills} kills, finished {n_finished} times between them")  # noqa: T201
