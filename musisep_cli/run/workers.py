"""Workers: seeds made side by side, each in a process of its own.

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
"""Function that returns whether the work is to end."""
Make: TypeAlias = Callable[[int, OnProgress, Stopped], Result]
"""Function that makes one seed; it can be pickled. It has to ask whether it is to stop, and if so
raises."""

ATTEMPTS = 2
"""How often a seed is started whose process the system kills: memory may be free again."""


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
    system kills is made once more; the other seeds go on. Closing the generator stops the
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
        """Make a seed in a process of its own, so that its death ends no other seed."""
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
    """Return that the work is wanted: in this process a signal interrupts it without asking."""
    return False


class _Listener(Thread):
    """A thread that passes on what the workers report, until it receives None.

    After an error it goes on to receive: a worker cannot end while nobody reads its reports.
    """

    def __init__(self, receive: Callable[[], Progress | None], on_progress: OnProgress) -> None:
        super().__init__(daemon=True)
        self.receive, self.on_progress = receive, on_progress
        self.error: BaseException | None = None

    def run(self) -> None:
        """Pass reports on until None comes; the first error of the receiver is kept for later."""
        while (progress := self.receive()) is not None:
            if self.error is None:
                try:
                    self.on_progress(progress)
                except BaseException as error:
                    self.error = error


def _run_seed(make: Make[Result], seed: int) -> Result:
    """Make one seed in the worker, and report its progress through the link."""
    try:
        return make(seed, _Link.report, _Link.is_unwanted)
    finally:
        if not _Link.has_parent():
            os._exit(1)  # without it the worker would wait for its next seed for ever


@dataclass(frozen=True)
class _Link:
    """The worker's link to the process that started it.

    Attributes:
        queue: takes the progress.
        unwanted: set when nobody waits for the result any more.
    """

    queue: Queue[Progress | None]
    unwanted: Event
    current: ClassVar[_Link]

    @classmethod
    def connect(cls, queue: Queue[Progress | None], unwanted: Event) -> None:
        """Prepare a new worker; it ignores signals, which the parent gets too and handles."""
        for number in interruption.SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        keep_freed_memory()
        cls.current = cls(queue, unwanted)

    @staticmethod
    def has_parent() -> bool:
        """Return whether the process that started this one is still there."""
        parent = multiprocessing.parent_process()
        return parent is None or parent.is_alive()

    @classmethod
    def is_unwanted(cls) -> bool:
        """Return whether nobody waits for the result any more."""
        return cls.current.unwanted.is_set() or not cls.has_parent()

    @classmethod
    def report(cls, progress: Progress) -> None:
        """Send progress to the parent. It never raises: only the method knows where it may stop."""
        cls.current.queue.put(progress)
