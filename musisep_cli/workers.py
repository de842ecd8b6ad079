"""Workers: seeds trained side by side, each in a process of its own.

A worker never outlives its purpose: it looks after every step whether it is still wanted, and ends
itself when the process that started it is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from threading import Thread
from typing import ClassVar

import torch

from musisep_cli.config import Config
from musisep_cli.errors import MusisepError
from musisep_cli.pipeline import OnProgress, Progress, SeedResult, run_seed
from musisep_cli.recording import Recording


def run_seeds(
    recording: Recording,
    config: Config,
    seeds: range,
    device: torch.device,
    *,
    jobs: int,
    on_progress: OnProgress,
) -> Iterator[SeedResult]:
    """Every seed's result as soon as it is there, ``jobs`` of them in the making at once.

    To close the generator stops the workers. ``on_progress`` is called in a thread of its own.

    Raises:
        MusisepError: the system killed a worker.
    """
    # A fresh interpreter per worker: forking a process that has used torch's threads deadlocks.
    context = multiprocessing.get_context("spawn")
    queue: Queue[Progress | None] = context.Queue()
    unwanted = context.Event()
    listener = Thread(target=_listen, args=(queue.get, on_progress), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(jobs, context, initializer=_Link.connect, initargs=(queue, unwanted))
    try:
        futures = [pool.submit(_run_seed, recording, config, seed, device) for seed in seeds]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise MusisepError(
            "the system killed a training process, perhaps for lack of memory; "
            "use fewer --jobs or a smaller --batch-size"
        ) from error
    finally:
        unwanted.set()
        pool.shutdown(cancel_futures=True)
        queue.put(None)
        listener.join()


def _listen(receive: Callable[[], Progress | None], on_progress: OnProgress) -> None:
    """Pass on what the workers report, until the end mark None."""
    while (progress := receive()) is not None:
        on_progress(progress)


def _run_seed(recording: Recording, config: Config, seed: int, device: torch.device) -> SeedResult:
    """In the worker: one seed, its progress reported through the link."""
    return run_seed(recording, config, seed, device, _Link.report)


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
        """Start a worker: Ctrl-C reaches the whole process group, and is the parent's to handle."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cls.current = cls(queue, unwanted)

    @classmethod
    def report(cls, progress: Progress) -> None:
        """Pass progress on, or end a training that nobody waits for."""
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)  # without it the worker would wait for its next seed for ever
        if cls.current.unwanted.is_set():
            raise MusisepError(f"seed {progress.seed} was stopped at step {progress.done}")
        cls.current.queue.put(progress)
