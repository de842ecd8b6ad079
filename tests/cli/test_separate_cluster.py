"""`musisep separate --cluster`: the same files as in one process, whatever happens to workers.

Two worker processes on this machine, each of a node of its own with one CPU. The method is the
small one, slowed down where something is to happen meanwhile.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import Result

from tests import paced_method
from tests.cli.separating import contents, invoke
from tests.paced_method import blocks, processes, write_songs
from tests.small_method import N_BLOCKS

pytest.importorskip("ray", reason="Ray is not installed; it comes with the extra `cluster`")
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]

PATIENCE_S = 900.0
FLAGS = ("-n", 2, "--preset", paced_method.PacedMethod.name, "--cpu", "--threads", 1, "--without")
PROGRAM = "from tests import paced_method; from musisep_cli.cli.app import main; main()"
BLOCK_S = 0.1
N_KILLS = 20


class Machines:
    """Nodes of a Ray cluster, all on this machine, that come and go."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, **options: Any) -> Any:
        """Add a node; on a busy machine Ray's patience with its own processes may end first."""
        for patience in (2, 1, 0):
            try:
                node = {"num_cpus": 1, "object_store_memory": 80_000_000, **options}
                return self.cluster.add_node(**node)
            except Exception as error:
                if not patience or "timed out during startup" not in str(error):
                    raise
        return None

    def remove(self, node: Any) -> None:
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def machines(repository: Path) -> Iterator[Machines]:
    """Two nodes with a CPU each; the driver is on the first.

    This process stays connected, so that workers import PyTorch once and not for every test.
    """
    import ray
    from ray.cluster_utils import Cluster

    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    with patch.dict(os.environ, {**settings, "PYTHONPATH": str(repository)}):
        head = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        machines = Machines(cluster)
        machines.add()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield machines
        ray.shutdown()
        cluster.shutdown()


def on(machines: Machines, songs: Path, *arguments: object) -> Result:
    """A run on the cluster into the folder `out` beside the songs."""
    out = ("-o", songs.parent / "out", "--cluster", "auto")
    return invoke(songs, *FLAGS, *out, *arguments, drawn=True, paged=True)


def expected(songs: Path, *arguments: object) -> dict[str, bytes]:
    """Every file that a run in one process writes, at full pace and without a trace in the log."""
    kept = {path.name: path.read_bytes() for path in (songs / "log").iterdir()}
    for name in kept:
        (songs / "log" / name).unlink()
    result = invoke(songs, *FLAGS, "-o", songs.parent / "alone", *arguments, drawn=True, paged=True)
    assert result.exit_code == 0, result.output
    for path in (songs / "log").iterdir():
        path.unlink()
    for name, content in kept.items():
        (songs / "log" / name).write_bytes(content)
    return contents(songs.parent / "alone")


class Meanwhile(threading.Thread):
    """Does something while a run is going on, as soon as a condition holds."""

    def __init__(self, action: Callable[[], None], *, when: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self.action, self.when, self.happened = action, when, False
        self.start()

    def run(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            if self.when():
                self.action()
                self.happened = True
                return
            time.sleep(0.02)


def has_reached(songs: Path, unit: str, block: int) -> Callable[[], bool]:
    return lambda: blocks(songs).get(unit, Counter())[block] > 0


def listening(process: int) -> set[str]:
    """Addresses at which a process and all that it started listen."""
    import psutil  # comes with Ray

    found = set()
    root = psutil.Process(process)
    for each in (root, *root.children(recursive=True)):
        try:
            connections = each.net_connections("inet")
        except psutil.Error:
            continue
        found |= {it.laddr.ip for it in connections if it.status == psutil.CONN_LISTEN}
    return found


def test_a_ray_of_this_machine_writes_the_same_bytes_and_listens_to_nobody_else(
    tmp_path: Path, repository: Path
) -> None:
    songs = write_songs(tmp_path, "a", "b")
    files = expected(songs, "--seeds", 2)
    (songs / "log" / "pace").write_text("0.2")
    out = ("-o", tmp_path / "out", "--seeds", 2, "--cluster", "local", "--json")
    environment = {name: value for name, value in os.environ.items() if "RAY_" not in name}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "separate", *map(str, (songs, *FLAGS, *out))],
        env={**environment, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    at_work = has_reached(songs, "a-0", 2)
    while not at_work() and process.poll() is None:
        time.sleep(0.1)
    addresses = listening(process.pid)
    output, messages = process.communicate()
    assert process.returncode == 0, messages
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
    assert "on cluster local (1 node, " in messages
    assert output.count('"status": "done"') == 2
    assert contents(tmp_path / "out") == files


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_a_block(machines: Machines, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b", block_s=BLOCK_S)
    files = expected(songs, "--seeds", 2)
    Meanwhile(
        lambda: os.kill(processes(songs)["a-0"], signal.SIGKILL), when=has_reached(songs, "a-0", 7)
    )
    result = on(machines, songs, "--seeds", 2)
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "out") == files
    assert "2 recordings: 2 done" in result.stdout
    done = blocks(songs)
    assert set(done) == {"a-0", "a-1", "b-0", "b-1"}
    assert all(set(counts) == set(range(1, N_BLOCKS + 1)) for counts in done.values())
    repeated = {unit: counts.total() - N_BLOCKS for unit, counts in done.items()}
    assert repeated.pop("a-0") <= 2
    assert set(repeated.values()) == {0}


def test_an_interruption_keeps_the_state_of_all_and_resume_goes_on(
    machines: Machines, tmp_path: Path
) -> None:
    songs = write_songs(tmp_path, "a", "b", block_s=BLOCK_S)
    files = expected(songs, "--seeds", 2)
    Meanwhile(lambda: os.kill(os.getpid(), signal.SIGINT), when=has_reached(songs, "a-0", 5))
    stopped = on(machines, songs, "--seeds", 2)
    assert stopped.exit_code == 130, stopped.output
    assert "in part; --resume goes on" in stopped.stderr
    assert 5 <= blocks(songs)["a-0"].total() < N_BLOCKS
    (songs / "log" / "pace").write_text("0")
    resumed = on(machines, songs, "--seeds", 2, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert contents(tmp_path / "out") == files
    assert all(counts.total() == N_BLOCKS for counts in blocks(songs).values())
    again = on(machines, songs, "--seeds", 2, "--resume")
    assert again.exit_code == 0
    assert "2 recordings: 2 nothing to do" in again.stdout


@pytest.mark.slow
def test_a_unit_that_always_dies_is_named_and_the_rest_done(
    machines: Machines, tmp_path: Path
) -> None:
    songs = write_songs(tmp_path, "a", "b")
    files = expected(songs, "--seeds", 2)
    (songs / "log" / "die-1").write_text("1")
    result = on(machines, songs, "--seeds", 2)
    assert result.exit_code == 1
    assert "given up: the workers of seed 1 (killed, or crashed) died 3 times" in result.stderr
    assert blocks(songs)["a-1"] == blocks(songs)["b-1"] == Counter({1: 3})
    assert "2 recordings: 2 failed" in result.stdout
    for name in ("a", "b"):  # chosen among what is there
        assert (tmp_path / "out" / "musisep" / name / "manifest.json").exists()
    (songs / "log" / "die-1").unlink()
    resumed = on(machines, songs, "--seeds", 2, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert contents(tmp_path / "out") == files


@pytest.mark.slow
def test_a_node_that_leaves_costs_nothing_else(
    machines: Machines, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    songs = write_songs(tmp_path, "a", "b", "c", block_s=BLOCK_S)
    files = expected(songs)
    node = machines.add(num_cpus=2)
    Meanwhile(
        lambda: machines.remove(node),
        when=lambda: sum(counts[5] for counts in blocks(songs).values()) >= 3,
    )
    result = on(machines, songs)
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "out") == files
    assert sum(counts.total() for counts in blocks(songs).values()) <= 3 * N_BLOCKS + 2 * 2
    assert "raylet" not in capfd.readouterr().out  # which is for results


@pytest.mark.slow
def test_two_drivers_on_one_folder_make_nothing_twice(
    machines: Machines, tmp_path: Path, repository: Path
) -> None:
    songs = write_songs(tmp_path, "a", "b", block_s=BLOCK_S)
    files = expected(songs, "--seeds", 2)
    out = ("-o", tmp_path / "out", "--seeds", 2, "--cluster", machines.address)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "separate", *map(str, (songs, *FLAGS, *out))],
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    for process, output in zip(both, outputs, strict=True):
        # Where a seed takes longer than the patience with a lock, who waits names the holder.
        assert process.returncode == 0 or "is in use by process" in output, output
    last = on(machines, songs, "--seeds", 2, "--resume")
    assert last.exit_code == 0, last.output
    assert contents(tmp_path / "out") == files
    assert all(counts.total() == N_BLOCKS for counts in blocks(songs).values())


@pytest.mark.slow
def test_a_node_that_has_no_gpu_for_work_on_one_is_refused(
    machines: Machines, tmp_path: Path
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    songs = write_songs(tmp_path, "a")
    refused = on(machines, songs, "--gpu")
    assert refused.exit_code == 2  # --cpu is among the flags
    out = ("-o", tmp_path / "out", "--cluster", "auto")
    flags = [flag for flag in FLAGS if flag != "--cpu"]
    refused = invoke(songs, *flags, *out, "--gpu")
    assert refused.exit_code == 1
    assert "a GPU is asked for, and none of the 2 nodes of cluster" in refused.stderr
    node = machines.add(num_gpus=1)
    try:
        refused = invoke(songs, *flags, *out, "--gpu")
    finally:
        machines.remove(node)
    assert refused.exit_code == 1
    assert "was to work on a GPU and has none: cuda: PyTorch" in refused.stderr
    assert not blocks(songs)


@pytest.mark.slow
def test_a_node_with_another_musisep_is_refused(machines: Machines, tmp_path: Path) -> None:
    package = tmp_path / "older" / "musisep_cli"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.1.0"\n')
    # Ray puts the driver's folders of modules before those of the node; this is imported earlier.
    (package.parent / "sitecustomize.py").write_text("import musisep_cli\n")
    songs = write_songs(tmp_path, "a")
    node = machines.add(env_vars={"PYTHONPATH": str(package.parent)})
    try:
        refused = on(machines, songs)
    finally:
        machines.remove(node)
    assert refused.exit_code == 1
    assert "has musisep 0.1.0, this machine has 0.2" in refused.stderr
    assert "Traceback" not in refused.output


@pytest.mark.slow
def test_twenty_random_kills_over_twelve_units(machines: Machines, tmp_path: Path) -> None:
    songs = write_songs(tmp_path, "a", "b", "c", "d", block_s=3 * BLOCK_S)
    files = expected(songs, "--seeds", 3)
    chance, killed, over = random.Random(0), [], threading.Event()

    def kill_again_and_again() -> None:
        while len(killed) < N_KILLS and not over.is_set():
            over.wait(chance.uniform(0.1, 1.0))
            finished = {unit for unit, counts in blocks(songs).items() if counts[N_BLOCKS]}
            at_work = [
                (unit, process)
                for unit, process in processes(songs).items()
                if unit not in finished and killed.count(unit) < 2 and _is_alive(process)
            ]
            if at_work:
                unit, process = chance.choice(at_work)
                os.kill(process, signal.SIGKILL)
                killed.append(unit)

    killer = threading.Thread(target=kill_again_and_again, daemon=True)
    killer.start()
    result = on(machines, songs, "--seeds", 3)
    over.set()
    killer.join()
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "out") == files
    done = blocks(songs)
    assert len(done) == 12
    extra = sum(counts.total() for counts in done.values()) - 12 * N_BLOCKS
    print(f"{len(killed)} kills, {extra} blocks twice: {Counter(killed)}")  # noqa: T201
    assert len(killed) >= N_KILLS
    assert len(set(killed)) >= N_KILLS // 2
    assert extra <= 2 * len(killed)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
