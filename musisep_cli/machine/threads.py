"""Threads: blocks that do not depend on each other, each worked through by one of several threads.

PyTorch divides single operations among its threads, but those of a few frames are too small for
that. Here every operation has one thread, and the blocks are divided: what comes out does not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """Several threads of this process, to be closed; a single one is the caller's own.

    What they are given to do must not change what the others read. Whether gradients are recorded
    is for it to say: a thread does not know what its caller has set.

    Args:
        n: how many.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._pool: ThreadPoolExecutor | None = None
        if n > 1:
            self._pool = ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,))

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results of all items, in order."""
        return [result.result() for result in [self.begin(work, item) for item in items]]

    def begin(self, work: Callable[[Item], Result], item: Item) -> Future[Result]:
        """One item's result, which may take its time; a single thread waits for it here."""
        if self._pool is not None:
            return self._pool.submit(work, item)
        done: Future[Result] = Future()
        done.set_result(work(item))
        return done

    def close(self) -> None:
        """No more results are wanted."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


CALLERS_OWN = Threads(1)
"""All is done where it is asked for."""


@contextmanager
def threads_of_operations(n: int) -> Iterator[None]:
    """So many threads for each of PyTorch's operations inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
