"""Threads: several threads that share out items of work that do not depend on each other.

PyTorch divides every single operation among its threads, but operations on a few frames are too
small for that. Here every operation runs on one thread, and the items are shared out instead. The
results do not depend on the number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Lock
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """A group of threads of this process that is to be closed; one thread is the caller's own.

    Work that is given to one thread must not change what the others read. It must also say for
    itself whether gradients are recorded: PyTorch does not hand that setting on to threads.

    Args:
        n: number of threads.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._pool: ThreadPoolExecutor | None = None
        if n > 1:
            self._pool = ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,))

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return the results of all items, in their order."""
        return [result.result() for result in [self.begin(work, item) for item in items]]

    def ahead(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of all items, in their order, and take an item only when it is begun.

        So that of items that are read from a file few are in memory: as many as there are threads
        are begun before the first result is waited for.
        """
        begun: deque[Future[Result]] = deque()
        for item in items:
            begun.append(self.begin(work, item))
            if len(begun) > self.n:
                yield begun.popleft().result()
        yield from (result.result() for result in begun)

    def begin(self, work: Callable[[Item], Result], item: Item) -> Future[Result]:
        """Begin the work on one item, and return the future of its result.

        With a single thread the work is done before this returns.
        """
        if self._pool is not None:
            return self._pool.submit(work, item)
        done: Future[Result] = Future()
        done.set_result(work(item))
        return done

    def close(self) -> None:
        """Cancel what has not begun, wait for what has, and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


CALLERS_OWN = Threads(1)
"""The group of one thread: work is done in the thread that asks for it."""


def in_turn(work: Callable[[], None]) -> Callable[[], None]:
    """Return a function that does the work, for one thread after another."""
    lock = Lock()

    def one_at_a_time() -> None:
        with lock:
            work()

    return one_at_a_time


@contextmanager
def threads_of_operations(n: int) -> Iterator[None]:
    """Let each operation of PyTorch use n threads within a block, and restore the number after."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def sharing_threads(n: int, device: torch.device) -> Iterator[Threads]:
    """Lend threads that items are shared out to within a block, each operation on one of them.

    Args:
        n: number of threads.
        device: where the operations run. A GPU is waited for by one thread.
    """
    with (
        threads_of_operations(1),
        closing(Threads(n if device.type == "cpu" else 1)) as threads,
    ):
        yield threads
