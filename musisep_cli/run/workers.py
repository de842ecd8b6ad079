"""Workers: seeds trained side by side, each in a process of its own.

A worker never outlives its purpose: what it makes can ask after every step whether it is still
wanted, and put its work down, and it ends itself when the process that started it is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from threading import Thread
from typing import ClassVar, TypeAlias, TypeVar

from musisep_cli.errors import KilledError
from musisep_cli.machine import interruption
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.method import OnProgress, Progress

Result = TypeVar("Result")
Stopped: TypeAlias = Callable[[], bool]
Make: TypeAlias = Callable[[int, OnProgress, Stopped], Result]
"""What makes one seed; it can be pickled. It has to ask whether it is to stop, and puts its work
down by raising."""


ATTEMPTS = 2
"""Times that a seed is made whose process the system kills: memory may be free again."""


class _Killed(Exception):
    """The system killed the process of a seed every time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seed = seed


def run_seeds(
    make: Make[Result], seeds: Sequence[int], *, jobs: int, on_progress: OnProgress
) -> Generator[Result]:
    """Yield every seed's result as soon as it is there, ``jobs`` of them in the making at once.

    One job is done in this process, several each in one of their own. A seed whose process the
    system kills is made once more; the other seeds go on. To close the generator stops the
    processes, and waits until they have put their work down. ``on_progress`` is called in a thread
    of its own; what it raises there waits until all seeds are done.

    Raises:
        KilledError: all other seeds are done, and the system killed those of some twice.
    """
    jobs = min(jobs, len(seeds))
    if jobs <= 1:
        for seed in seeds:
            yield make(seed, on_progress, _never)
        return
    # A fresh interpreter per worker: forking a process that has used torch's threads deadlocks.
    context = multiprocessing.get_context("spawn")
    queue: Queue[Progress | None] = context.Queue()
    unwanted = context.Event()
    listener = _Listener(queue.get, on_progress)
    listener.start()

    def in_a_process(seed: int) -> Result:
        """Make a seed in a process of its own: who dies takes no other seed along."""
        for _ in range(ATTEMPTS):
            with (
                ProcessPoolExecutor(
                    1, context, initializer=_Link.connect, initargs=(queue, unwanted)
                ) as pool,
                suppress(BrokenProcessPool),
            ):
                return pool.submit(_run_seed, make, seed).result()
        raise _Killed(seed)

    threads, killed = ThreadPoolExecutor(jobs), []
    try:
        for future in as_completed([threads.submit(in_a_process, seed) for seed in seeds]):
            if isinstance(error := future.exception(), _Killed):
                killed.append(error.seed)
            else:
                yield future.result()
    finally:
        unwanted.set()
        threads.shutdown(cancel_futures=True)
        queue.put(None)
        listener.join()
    if listener.error is not None:
        raise listener.error
    if killed:
        raise KilledError(
            f"the system killed the process of seed{'s' * (len(killed) > 1)} "
            f"{', '.join(map(str, sorted(killed)))} {ATTEMPTS} times, perhaps for want of memory. "
            "What else was asked for is done; try again with --resume and fewer --jobs, or a "
            "smaller --batch-size."
        )


def _never() -> bool:
    """In this process signals interrupt: there is no need to ask."""
    return False


class _Listener(Thread):
    """Passes on what the workers report, until the end mark None.

    After an error it goes on to receive: a worker does not end while its reports find no reader.
    """

    def __init__(self, receive: Callable[[], Progress | None], on_progress: OnProgress) -> None:
        super().__init__(daemon=True)
        self.receive, self.on_progress = receive, on_progress
        self.error: BaseException | None = None

    def run(self) -> None:
        while (progress := self.receive()) is not None:
            if self.error is None:
                try:
                    self.on_progress(progress)
                except BaseException as error:
                    self.error = error


def _run_seed(make: Make[Result], seed: int) -> Result:
    """In the worker: one seed, its progress reported through the link."""
    try:
        return make(seed, _Link.report, _Link.is_unwanted)
    finally:
        if not _Link.has_parent():
            os._exit(1)  # without it the worker would wait for its next seed for ever


@dataclass(frozen=True)
class _Link:
    """In the worker: the way back to the process that started it.

    Attributes:
        queue: takes the progress.
        unwanted: set when nobody waits for the result any more.
    """

    queue: Queue[Progress | None]
    unwanted: Event
    current: ClassVar[_Link]

    @classmethod
    def connect(cls, queue: Queue[Progress | None], unwanted: Event) -> None:
        """Start a worker: a signal to the whole process group is the parent's to handle."""
        for number in interruption.SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        keep_freed_memory()
        cls.current = cls(queue, unwanted)

    @staticmethod
    def has_parent() -> bool:
        """Whether the process that started this one is still there."""
        parent = multiprocessing.parent_process()
        return parent is None or parent.is_alive()

    @classmethod
    def is_unwanted(cls) -> bool:
        """Whether nobody waits for the result any more."""
        return cls.current.unwanted.is_set() or not cls.has_parent()

    @classmethod
    def report(cls, progress: Progress) -> None:
        """Pass progress on. It never ends the work: that is for who knows what is to be kept."""
        cls.current.queue.put(progress)
