"""Connection: to a Ray cluster that runs already, or to one of this machine alone.

Ray's dashboard and its usage statistics stay off unless the user asks for them; in local mode
nothing listens beyond this machine.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from musisep_cli.errors import ClusterError

LOCAL, AUTO = "local", "auto"
"""Addresses that start a Ray on this machine for this command alone, and that take the one to which
this process is connected, or else one that runs here."""
STORE_BYTES = 100_000_000
"""Memory in bytes for what goes through Ray in local mode: settings and reports are small."""
PATIENCE_S = 5.0
"""Time in s to wait for an answer at an address; Ray itself would try for a minute."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: Ray's name for it.
        host: name of the machine.
        n_cpus: CPUs that it lends.
        n_gpus: GPUs that it lends.
    """

    id: str
    host: str
    n_cpus: int
    n_gpus: int


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection to a cluster.

    Attributes:
        address: as the user gave it.
    """

    address: str

    def nodes(self) -> list[Node]:
        """Return the machines that are in the cluster now."""
        return [
            Node(
                id=entry["NodeID"],
                host=entry["NodeManagerHostname"],
                n_cpus=int(entry["Resources"].get("CPU", 0)),
                n_gpus=int(entry["Resources"].get("GPU", 0)),
            )
            for entry in ray().nodes()
            if entry["Alive"]
        ]

    def words(self) -> str:
        """Return in words what the cluster is and has."""
        nodes = self.nodes()
        counts = {
            "node": len(nodes),
            "CPU": sum(node.n_cpus for node in nodes),
            "GPU": sum(node.n_gpus for node in nodes),
        }
        listed = [f"{n} {name}{'s' * (n != 1)}" for name, n in counts.items() if n or name != "GPU"]
        return f"cluster {self.address} ({', '.join(listed)})"


def ray() -> Any:
    """Return the module Ray, which only a cluster needs.

    Raises:
        ClusterError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Any line: when a node leaves, Ray would print its last log among the results on stdout.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "(?s).")
    try:
        import ray as module
    except ImportError as error:
        raise ClusterError(
            "--cluster needs Ray, which is not installed: pip install 'musisep[cluster]', in a "
            "clone of the repository pip install -c constraints.txt -e '.[cluster]'."
        ) from error
    return module


@contextmanager
def connected(address: str, *, least_cpus: int) -> Iterator[Connection]:
    """Connect to a cluster for the block below.

    Args:
        address: HOST:PORT of a running Ray, whose machines this one belongs to; "auto" finds one
            that runs here, "local" starts one of this machine alone and ends it after the block.
        least_cpus: CPUs that a local Ray lends at least, also on a machine with fewer.

    Raises:
        ClusterError: Ray is not installed, or there is no cluster at the address.
    """
    if address == LOCAL:
        # Read where Ray is imported: without it Ray takes the address by which others reach this
        # machine, and listens there.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Workers as important as those of --jobs; Ray would let them wait for all other programs.
        os.environ.setdefault("RAY_worker_niceness", "0")
    module = ray()
    if address == AUTO and module.is_initialized():
        yield Connection(address=address)  # whoever connected this process ends that too
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        options |= {
            "num_cpus": max(_n_cores(), least_cpus),
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
        }
    elif address != AUTO:
        _knock(address)
    try:
        module.init(address=address, **options)
    except Exception as error:  # of Ray's many kinds, of which some are nothing but Exception
        module.shutdown()
        [reason, *_] = str(error).strip().splitlines() or [type(error).__name__]
        raise ClusterError(
            f"--cluster {address}: no Ray can be used there ({reason}). {_remedy(address)}"
        ) from error
    try:
        yield Connection(address=address)
    finally:
        module.shutdown()


def _remedy(address: str) -> str:
    """Return what to do if there is no Ray at an address."""
    if address == LOCAL:
        return "Try again when the machine is less busy, or use -j without --cluster."
    return "Start one with `ray start --head`, or use this machine alone: --cluster local."


def _n_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _knock(address: str) -> None:
    """Make sure that somebody answers at an address.

    Raises:
        ClusterError: it is none, or nobody does.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isascii() or not port.isdecimal():
        raise ClusterError(
            f"--cluster {address}: is no address of a cluster; give HOST:PORT as `ray start "
            "--head` prints it, auto, or local"
        )
    try:
        socket.create_connection((host, int(port)), PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--cluster {address}: nobody answers there ({error}). {_remedy(address)}"
        ) from error
