"""Crew: the workers of a cluster, and the units that they have in hand.

A worker that dies costs what its unit did since its last checkpoint: the unit is given to another.
Only one whose workers die again and again without getting further is given up. Ray's own retries
stay off: they neither tell a unit that it is to go on, nor know whether it got further.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from musisep_cli import __version__
from musisep_cli.errors import ClusterError
from musisep_cli.machine.files import make_folder, write_text_atomic
from musisep_cli.methods.method import Progress
from musisep_cli.run.cluster import entry
from musisep_cli.run.cluster.connection import Connection, Node, ray
from musisep_cli.run.cluster.mailbox import Mailbox
from musisep_cli.run.cluster.tasks import How, Work

Key: TypeAlias = Any
"""Names a unit: anything that can be a key of a dict and be pickled, and tells units apart."""
TRIES = 3
"""How often a unit is begun without getting further before it is given up."""
POLL_S = 0.2
"""Time in s between two looks at what has come: a display needs no more."""
RECOUNT_S = 10.0
"""Time in s after which the cluster's machines are counted anew: they may come and go."""
ASKED_AGAIN_S = 30.0
"""Time in s after which a unit that was to stop, and has not, is asked once more: Ray may lose
a request that meets the beginning of the work. A step seldom takes as long."""
EXAMINATION_S = 120.0
"""Time in s in which a machine must have answered whether it can work: its first answer waits until
Ray has started a process there."""
MAILBOXES = 10
"""How often the mailbox is opened anew after its process died; without it nothing is shown."""
SPARE = 2
"""Units in hand for each that the cluster has room for: nobody waits for work, and a cluster that
grows with the demand sees some."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What Ray reserves for a unit: CPUs, and a GPU of its own or none."""

    n_cpus: int = 1
    n_gpus: int = 0

    def fit_into(self, node: Node) -> int:
        """Return how many such units a node can work on at once."""
        by_cpus = node.n_cpus // self.n_cpus
        return min(by_cpus, node.n_gpus // self.n_gpus) if self.n_gpus else by_cpus


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a unit ended.

    Attributes:
        key: names the unit.
        how: in which way.
        value: its result, its error, the traceback of a bug, or in words why it is not done.
    """

    key: Key
    how: How
    value: Any = None


@dataclass(kw_only=True)
class _Unit:
    """A unit in hand.

    Attributes:
        work: pickled function that does it.
        needs: what is reserved for it.
        furthest: the most that was done of every stage, as far as reported.
        got_further: whether this try did more than those before it.
        n_deaths: workers that died since one got further.
        begun_again: whether one died at all.
    """

    work: bytes
    needs: Needs
    furthest: dict[str, int] = field(default_factory=dict)
    got_further: bool = False
    n_deaths: int = 0
    begun_again: bool = False

    def take_in(self, progress: Progress) -> None:
        """Note how far a report says that the unit is."""
        if progress.done > self.furthest.get(progress.stage, 0):
            self.furthest[progress.stage] = progress.done
            self.got_further = True

    def count_death(self) -> int:
        """Count a worker's death, and return how many there were without getting further."""
        self.n_deaths = 1 if self.got_further else self.n_deaths + 1
        self.got_further, self.begun_again = False, True
        return self.n_deaths


class Crew:
    """The workers of a cluster, as one driver uses them.

    Args:
        connection: to the cluster.
        token: path of the driver's file in the output folder.
        needs: what most units need; by it the room is counted.
        most: most units in hand at once; None for what the cluster has room for.
    """

    def __init__(
        self, connection: Connection, token: Path, needs: Needs, most: int | None = None
    ) -> None:
        self.connection, self.token, self.needs, self.most = connection, token, needs, most
        self._ray = ray()
        self._exceptions = self._ray.exceptions
        self._ray.cloudpickle.register_pickle_by_value(entry)
        here = self._on(self._ray.get_runtime_context().get_node_id())
        self._mailbox = (
            self._ray.remote(Mailbox)
            .options(num_cpus=0, scheduling_strategy=here, max_restarts=MAILBOXES)
            .remote()
        )
        self._call = self._ray.remote(entry.call)
        self._units: dict[Key, _Unit] = {}
        self._keys: dict[Any, Key] = {}
        self._stopped: dict[Key, float] = {}  # when each was last asked to
        self._counted_s, self._room = float("-inf"), 0

    def _on(self, node: str) -> Any:
        """Return the strategy that has Ray run something on one node and nowhere else."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    def examine(self) -> None:
        """Make sure that every node can work for this driver, before any work is done.

        Raises:
            ClusterError: one cannot, or none has room for a unit; the message says why.
        """
        needs = self.needs
        nodes = [node for node in self.connection.nodes() if node.n_cpus]  # work goes to these
        if needs.n_gpus and not any(node.n_gpus for node in nodes):
            raise ClusterError(
                f"a GPU is asked for, and none of the {len(nodes)} nodes of "
                f"{self.connection.words()} has one. Use --cpu, or add a node with one."
            )
        if not self.room:
            largest = max((node.n_cpus for node in nodes), default=0)
            raise ClusterError(
                f"no node of {self.connection.words()} has room for --threads {needs.n_cpus}"
                f"{' beside a GPU' * needs.n_gpus}: the largest has {largest} CPUs."
            )
        probe = self._ray.remote(entry.examine)
        asked = {
            probe.options(num_cpus=0, max_retries=0, scheduling_strategy=self._on(node.id)).remote(
                __version__, str(self.token)
            ): node
            for node in nodes
        }
        answered, silent = self._ray.wait(
            list(asked), num_returns=len(asked), timeout=EXAMINATION_S
        )
        for reference in answered:
            try:
                problem = self._ray.get(reference)
            except self._exceptions.RayError:
                silent.append(reference)
                continue
            if problem:
                raise ClusterError(problem)
        if silent:
            hosts = ", ".join(sorted(asked[reference].host for reference in silent))
            raise ClusterError(f"no answer from the node {hosts} of {self.connection.words()}")

    @property
    def room(self) -> int:
        """Return how many units the cluster can work on at once, as counted a moment ago."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= RECOUNT_S:
            self._counted_s = now_s
            self._room = sum(map(self.needs.fit_into, self.connection.nodes()))
        return self._room

    @property
    def n_in_hand(self) -> int:
        """Return the number of units that were given and have not ended."""
        return len(self._units)

    @property
    def n_wanted(self) -> int:
        """Return how many more units can be given without keeping too many waiting."""
        at_most = SPARE * max(1, self.room) if self.most is None else self.most
        return at_most - self.n_in_hand

    def give(self, key: Key, work: Work, needs: Needs) -> None:
        """Give a unit of work to the crew.

        Args:
            key: names the unit; none in hand has this name.
            work: function that can be pickled; ``do`` calls it on a worker.
            needs: what Ray reserves for it.
        """
        self._units[key] = _Unit(work=self._ray.cloudpickle.dumps(work), needs=needs)
        self._begin(key)

    def _begin(self, key: Key) -> None:
        """Hand a unit to Ray, for the first time or once more."""
        unit = self._units[key]
        options = {"num_cpus": unit.needs.n_cpus, "num_gpus": unit.needs.n_gpus, "max_retries": 0}
        reference = self._call.options(**options).remote(
            __version__,
            str(self.token),
            unit.work,
            self._mailbox,
            key,
            unit.needs.n_gpus > 0,
            unit.begun_again,
        )
        self._keys[reference] = key

    def news(self) -> Iterator[tuple[Key, Progress] | Ended]:
        """Wait a moment, and yield what came: reports, and units that ended.

        A unit whose worker died is begun again here, but not after ``stop``. One that ended as
        "unfit" was given to a node that joined later: Ray would go on to send it work.
        """
        if not self._keys:
            return
        waiting = list(self._keys)
        self._ask_again()
        ended, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=POLL_S)
        # After the wait: what a unit reported before it ended comes before its end.
        for key, progress in self._reports():
            if key in self._units:
                self._units[key].take_in(progress)
                yield key, progress
        for reference in ended:
            key = self._keys.pop(reference)
            found = self._outcome(key, reference)
            if found is not None and found.how in ("bug", "unfit") and key in self._stopped:
                # An interrupt within an import, say, comes out as an error of another kind.
                found = Ended(key=key, how="stopped")
            if found is not None:
                del self._units[key]
                self._stopped.pop(key, None)
                yield found

    def _reports(self) -> list[tuple[Key, Progress]]:
        """Return what the mailbox holds: nothing while it is dead, as work goes on without it."""
        try:
            reports: list[tuple[Key, Progress]] = self._ray.get(self._mailbox.take.remote())
        except self._exceptions.RayError:
            return []
        return reports

    def _outcome(self, key: Key, reference: Any) -> Ended | None:
        """Return how a unit ended; None if its worker died, and it was begun again."""
        try:
            how, value = self._ray.get(reference)
        except self._exceptions.TaskCancelledError:
            return Ended(key=key, how="stopped")
        except self._exceptions.RayTaskError as error:
            return Ended(key=key, how="bug", value=str(error))
        except self._exceptions.RayError as error:
            return self._again(key, _cause(error))
        if how == "stopped":  # by us, or by who ended its machine politely
            return self._again(key, "ended by a signal on its machine")
        return Ended(key=key, how=how, value=value)

    def _again(self, key: Key, cause: str) -> Ended | None:
        """Begin a unit once more, unless it was to stop or this was its last try."""
        if key in self._stopped:
            return Ended(key=key, how="stopped")
        if self._units[key].count_death() >= TRIES:
            return Ended(key=key, how="died", value=cause)
        self._begin(key)
        return None

    def stop(self, keys: Collection[Key] | None = None) -> None:
        """Have some units, or all, end at their next step with their state kept.

        In a worker this is what Ctrl-C is in a program: ``machine.interruption`` defers it.

        Args:
            keys: names of the units; None for all.
        """
        for reference, key in self._keys.items():
            if (keys is None or key in keys) and key not in self._stopped:
                self._ask_to_stop(key, reference)

    def _ask_to_stop(self, key: Key, reference: Any) -> None:
        """Have a unit end at its next step."""
        self._stopped[key] = time.monotonic()
        self._ray.cancel(reference)

    def _ask_again(self) -> None:
        """Ask those once more that were to stop long ago and still work."""
        late_s = time.monotonic() - ASKED_AGAIN_S
        for reference, key in self._keys.items():
            if self._stopped.get(key, late_s) < late_s:
                self._ask_to_stop(key, reference)


def _cause(error: Exception) -> str:
    """Return in a few words what a worker died of, as far as Ray knows."""
    name = type(error).__name__
    known = {
        "OutOfMemoryError": "for want of memory",
        "NodeDiedError": "with its node",
        "WorkerCrashedError": "killed, or crashed",
    }
    return known.get(name, name)


@contextmanager
def hired(connection: Connection, out: Path, *, needs: Needs, most: int | None) -> Iterator[Crew]:
    """Lend a crew for the block below, all of whose machines reach the output folder.

    Args:
        connection: to the cluster.
        out: folder below which everything is written, as an absolute path.
        needs: what most units need.
        most: most units in hand at once; None for what the cluster has room for.

    Raises:
        ClusterError: some machine cannot work for this driver.
        OutputError: this one cannot write into the folder.
    """
    make_folder(out)
    token = out / f".cluster-{secrets.token_hex(8)}"
    write_text_atomic(token, token.name)
    try:
        crew = Crew(connection, token, needs, most)
        crew.examine()
        yield crew
    finally:
        with suppress(OSError):
            token.unlink()
