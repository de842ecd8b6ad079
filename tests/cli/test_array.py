"""`examples/array.sbatch`: an array of tasks makes the files of one command, without Ray.

Slurm is played by its environment variables, and by a script in the place of `scontrol`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.separating import contents, invoke
from tests.paced_method import PacedMethod, blocks, write_songs
from tests.small_method import N_BLOCKS

PROGRAM = "from tests import paced_method; from musisep_cli.cli.app import main; main()"
PATIENCE_S = 120.0


def program(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def start(
    repository: Path, folder: Path, task: int, *, of: int, seeds: int
) -> subprocess.Popen[str]:
    """A task of the array, in a folder with this tree's `musisep` on the path."""
    program(folder, "musisep", f"exec '{sys.executable}' -c '{PROGRAM}' \"$@\"")
    program(folder, "scontrol", f"echo \"$@\" >> '{folder}/requeued'")
    arguments = ["songs", "2", str(seeds), "--preset", PacedMethod.name, "-o", "out", "--cpu"]
    return subprocess.Popen(
        [repository / "examples" / "array.sbatch", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(repository),
            "SLURM_ARRAY_JOB_ID": "77",
            "SLURM_ARRAY_TASK_ID": str(task + 1),
            "SLURM_ARRAY_TASK_MIN": "1",
            "SLURM_ARRAY_TASK_COUNT": str(of),
            "SLURM_CPUS_PER_TASK": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alone(folder: Path, *, seeds: int) -> dict[str, bytes]:
    """Every file that one command for all writes."""
    flags = ("-n", 2, "--preset", PacedMethod.name, "--cpu", "--threads", 1, "--seeds", seeds)
    result = invoke(folder / "songs", *flags, "-o", folder / "alone", drawn=True, paged=True)
    assert result.exit_code == 0, result.output
    return contents(folder / "alone")


def test_two_tasks_separate_two_recordings(repository: Path, tmp_path: Path) -> None:
    write_songs(tmp_path, "a", "b c")
    tasks = [start(repository, tmp_path, task, of=2, seeds=1) for task in (0, 1)]
    outputs = [task.communicate(timeout=PATIENCE_S)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], outputs
    assert contents(tmp_path / "out") == alone(tmp_path, seeds=1)


def test_without_an_array_it_says_how_to_start_it(repository: Path, tmp_path: Path) -> None:
    script = repository / "examples" / "array.sbatch"
    usage = subprocess.run([script], capture_output=True, text=True, check=False)
    assert usage.returncode == 2
    assert "sbatch --array=0-99 examples/array.sbatch RECORDINGS N SEEDS" in usage.stderr
    environment = {name: text for name, text in os.environ.items() if "SLURM" not in name}
    outside = subprocess.run(
        [script, tmp_path, "2", "1"], capture_output=True, text=True, env=environment, check=False
    )
    assert outside.returncode == 1
    assert "start this with sbatch --array" in outside.stderr


@pytest.mark.slow
def test_a_task_whose_time_is_up_queues_again_and_goes_on(repository: Path, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b", block_s=0.3)
    first = start(repository, tmp_path, 0, of=3, seeds=2)
    deadline_s = time.monotonic() + PATIENCE_S
    while blocks(songs).get("a-0", {}).get(3, 0) == 0 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 130, output
    assert (tmp_path / "requeued").read_text() == "requeue 77_1\n"
    assert 3 <= blocks(songs)["a-0"].total() < N_BLOCKS
    (songs / "log" / "pace").write_text("0")
    tasks = [start(repository, tmp_path, task, of=3, seeds=2) for task in (0, 1, 2)]
    outputs = [task.communicate(timeout=PATIENCE_S)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0, 0], outputs
    assert all(counts.total() == N_BLOCKS for counts in blocks(songs).values())
    assert contents(tmp_path / "out") == alone(tmp_path, seeds=2)
