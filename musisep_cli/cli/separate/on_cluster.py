"""Separation of many recordings on a cluster: which unit comes next, and what became of each input.

The driver, which this is, keeps few recordings open at a time, and of those that are done no more
than a line of the closing table: its memory and its work follow the number of recordings, and their
sound never passes through it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from musisep_cli.cli.batch_progress import Display
from musisep_cli.cli.inputs import Source
from musisep_cli.cli.separate import warnings as warned
from musisep_cli.cli.separate.job import Job, Outcome
from musisep_cli.cli.separate.units import Finish, Look, Looked, MakeSeed
from musisep_cli.errors import ClusterError, KilledError
from musisep_cli.machine import interruption
from musisep_cli.methods.method import Progress
from musisep_cli.run.cluster.connection import Connection
from musisep_cli.run.cluster.crew import TRIES, Crew, Ended, Needs, hired

if TYPE_CHECKING:
    from musisep_cli.cli.separate.report import Reporter

LOOK, FINISH = -1, -2
"""Stand in a unit's key in the place of a seed: the units before and after all seeds."""


@dataclass(kw_only=True)
class _Open:
    """A recording that has units in hand.

    Attributes:
        source: the input, with its path as the user gave it.
        looked: what there is to do; None before that is known.
        waiting: seeds that were not given to the crew yet.
        seeds: seeds that it has in hand.
        dead: seeds that were given up, each with what their worker died of.
        error: error that ended a unit; the others were stopped for it.
        started_s: monotonic time at which it was opened.
    """

    source: Source
    looked: Looked | None = None
    waiting: deque[int] = field(default_factory=deque)
    seeds: set[int] = field(default_factory=set)
    dead: dict[int, str] = field(default_factory=dict)
    error: str | None = None
    started_s: float = field(default_factory=time.monotonic)


def separate_all(
    sources: Sequence[Source], job: Job, reporter: Reporter, connection: Connection
) -> list[Outcome]:
    """Separate all inputs on a cluster, and return what became of each that was begun.

    Raises:
        ClusterError: a machine of the cluster cannot do this work; the state of all is kept.
        OutputError: the output folder cannot be written.
    """
    needs = Needs(n_cpus=job.config.run.threads, n_gpus=int(job.device.type == "cuda"))
    out = job.out.absolute()
    try:
        with (
            hired(connection, out, needs=needs, most=job.jobs) as crew,
            reporter.batch_progress() as display,
        ):
            return Batch(sources, job, reporter, crew, display).run()
    except KeyboardInterrupt:  # before the first unit
        first = sources[0]
        outcome = Outcome(source=first, status="interrupted", folder=job.folder(first.track))
        reporter.show(outcome)
        return [outcome]


class Batch:
    """Inputs on their way through the cluster.

    Args:
        sources: all inputs.
        job: what is asked for.
        reporter: tells the user.
        crew: the workers.
        display: shows their progress.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        job: Job,
        reporter: Reporter,
        crew: Crew,
        display: Display,
    ) -> None:
        self.job, self.reporter, self.crew, self.display = job, reporter, crew, display
        # On other machines the working folder is another.
        self.sent = replace(job, inputs=(), warnings=(), out=job.out.absolute())
        self.waiting = deque(enumerate(sources))
        self.open: dict[int, _Open] = {}
        self.ready: deque[int] = deque()  # recordings with seeds to be given
        self.outcomes: dict[int, Outcome] = {}
        self.is_stopping = False

    def run(self) -> list[Outcome]:
        """Separate all inputs, until all are done or a signal comes.

        Raises:
            ClusterError: a machine of the cluster cannot do this work; the state of all is kept.
        """
        unfit: ClusterError | None = None
        try:
            with interruption.deferred() as requested:
                while self.crew.n_in_hand or (self._has_more and not self.is_stopping):
                    if requested.is_set() and not self.is_stopping:
                        self._stop()
                    self._fill()
                    for news in self.crew.news():
                        if isinstance(news, Ended) and news.how == "unfit":
                            unfit = ClusterError(news.value)
                            self._stop()
                        else:
                            self._take_in(news)
        except KeyboardInterrupt:
            self.is_stopping = True
        if self.is_stopping and self.waiting and not self.open:
            number, source = self.waiting.popleft()  # else nothing would say that all is not done
            self.open[number] = _Open(source=source)
        for number in list(self.open):
            self._close(number, status="interrupted")
        if unfit is not None:
            raise unfit
        return [self.outcomes[number] for number in sorted(self.outcomes)]

    def _stop(self) -> None:
        """Have all units put their work down, and begin no more."""
        if not self.is_stopping:
            self.is_stopping = True
            self.crew.stop()

    @property
    def _has_more(self) -> bool:
        """Return whether there is something to give to the crew."""
        return bool(self.ready or self.waiting)

    def _fill(self) -> None:
        """Give the crew units while it has room: seeds of open recordings, then new recordings."""
        while self._has_more and not self.is_stopping and self.crew.n_wanted > 0:
            if self.ready:
                self._give_seed(self.ready[0])
                continue
            number, source = self.waiting.popleft()
            self.open[number] = _Open(source=source)
            self.crew.give((number, LOOK), Look(job=self.sent, source=_sent(source)), Needs())

    def _give_seed(self, number: int) -> None:
        """Give the next seed of a recording to the crew, if one waits."""
        opened = self.open.get(number)
        if opened is None or opened.looked is None or not opened.waiting:
            self.ready.popleft()
            return
        seed = opened.waiting.popleft()
        opened.seeds.add(seed)
        content = opened.looked.content
        work = MakeSeed(job=self.sent, source=_sent(opened.source), content=content, seed=seed)
        self.crew.give((number, seed), work, self.crew.needs)

    def _take_in(self, news: tuple[Any, Progress] | Ended) -> None:
        """Take in a report, or the end of a unit."""
        number, seed = news.key if isinstance(news, Ended) else news[0]
        if number not in self.open:
            return
        if not isinstance(news, Ended):
            self.display.update(self.open[number].source.track, news[1])
        elif news.how == "stopped":
            self._failed_elsewhere(number, seed)
        elif seed == LOOK:
            self._looked(number, news)
        elif seed == FINISH:
            self._finished(number, news)
        else:
            self._made(number, seed, news)

    def _failed_elsewhere(self, number: int, seed: int) -> None:
        """Take in that a unit was stopped: for an error of another one, or as all were."""
        opened = self.open[number]
        opened.seeds.discard(seed)
        if opened.error is not None and not opened.seeds:
            self._close(number, status="failed", error=opened.error)

    def _looked(self, number: int, ended: Ended) -> None:
        """Go on with a recording that was read: give its seeds, or close it."""
        opened = self.open[number]
        if ended.how != "done":
            self._close(number, status="failed", error=self._error(number, ended))
            return
        looked = opened.looked = ended.value
        if looked.state == "finished":
            self._close(number, status="unchanged", manifest=looked.manifest)
            return
        with self.display.paused():
            name, folder = str(opened.source.path), self.job.folder(opened.source.track)
            self.reporter.begin(
                name, looked, folder, looked.state, looked.warnings, number=number + 1
            )
        opened.waiting.extend(looked.missing)
        self.ready.append(number)
        if not looked.missing:
            self._finish(number)

    def _made(self, number: int, seed: int, ended: Ended) -> None:
        """Take in the end of a seed; after the last one choose among them."""
        opened = self.open[number]
        opened.seeds.discard(seed)
        if ended.how == "done":
            self.display.made(opened.source.track, seed)
        elif ended.how == "died":
            opened.dead[seed] = ended.value
        elif opened.error is None:
            opened.error = self._error(number, ended)
            opened.waiting.clear()
            self.crew.stop({(number, other) for other in opened.seeds})
        if opened.seeds or opened.waiting:
            return
        if opened.error is not None:
            self._close(number, status="failed", error=opened.error)
        else:
            self._finish(number)

    def _finish(self, number: int) -> None:
        """Have the seeds of a recording ranked and the stems written, unless all is to end."""
        opened = self.open[number]
        if self.is_stopping or opened.looked is None:
            return
        work = Finish(
            job=self.sent,
            source=_sent(opened.source),
            content=opened.looked.content,
            spent_s=time.monotonic() - opened.started_s,
            killed=_killed(opened.dead),
        )
        self.crew.give((number, FINISH), work, Needs())

    def _finished(self, number: int, ended: Ended) -> None:
        """Take in that a recording's stems are written, or why not."""
        opened = self.open[number]
        if ended.how != "done":
            self._close(number, status="failed", error=self._error(number, ended))
            return
        warnings = list(opened.looked.warnings) if opened.looked else []
        warnings += warned.of_result(ended.value) if ended.value else []
        self._close(number, status="done", manifest=ended.value, warnings=warnings)

    def _error(self, number: int, ended: Ended) -> str:
        """Return the message of a unit that ended in an error, with paths as the user gave them."""
        if ended.how == "bug":
            self.reporter.bug(ended.value)
            last = str(ended.value).strip().splitlines()[-1]
            return f"{last} (a bug in musisep; see the traceback)"
        if ended.how == "died":
            return (
                f"the worker that read it or wrote its stems died {TRIES} times ({ended.value}); "
                "try again with --resume"
            )
        source = self.open[number].source
        text = str(ended.value).replace(str(source.path.absolute()), str(source.path))
        return text.replace(str(self.sent.out), str(self.job.out))

    def _close(self, number: int, **known: Any) -> None:
        """Tell what became of a recording, and keep a line of it."""
        opened = self.open.pop(number)
        outcome = Outcome(
            source=opened.source,
            folder=self.job.folder(opened.source.track),
            duration_s=opened.looked.duration_s if opened.looked else None,
            **known,
        )
        self.display.ended(opened.source.track)
        with self.display.paused():
            self.reporter.show(outcome)
        self.outcomes[number] = outcome.without_manifest()


def _sent(source: Source) -> Source:
    """Return a source as workers need it, with an absolute path."""
    return replace(source, path=source.path.absolute())


def _killed(dead: Mapping[int, str]) -> KilledError | None:
    """Return the error that names seeds that were given up; None if there are none."""
    if not dead:
        return None
    named = ", ".join(f"{seed} ({why})" for seed, why in sorted(dead.items()))
    return KilledError(
        f"given up: the workers of seed{'s' * (len(dead) > 1)} {named} died {TRIES} times without "
        "getting further. What else was asked for is done; try again with --resume, perhaps with a "
        "smaller --batch-size."
    )
