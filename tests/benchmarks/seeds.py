"""Threads and processes for one seed and for several: ``python -m tests.benchmarks.seeds``.

Wall times, the best of several turns: only here does it count what the cores do at once. A
neighbour is a process that multiplies matrices on one core all the time.
"""

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Annotated, Any

import torch
import typer

from musisep_cli.machine.process import keep_freed_memory
from tests.benchmarks.parts import trainer


@dataclass(frozen=True)
class Way:
    """So many processes, each training a seed with so many threads, beside so many neighbours."""

    processes: int
    threads: int
    neighbours: int = 0


WAYS = {
    "one seed, 1 thread": Way(1, 1),
    "one seed, 2 threads": Way(1, 2),
    "two seeds in two processes, 1 thread each": Way(2, 1),
    "two seeds in two processes, 2 threads each": Way(2, 2),
    "one seed, 1 thread, beside a busy process": Way(1, 1, 1),
    "one seed, 2 threads, beside a busy process": Way(1, 2, 1),
}
STEPS = {"quick": 20, "paper": 3}


def main(
    presets: str = "quick,paper",
    turns: Annotated[int, typer.Option(help="The best of so many.")] = 3,
) -> None:
    """A row per way: time of a step of one seed, and how many steps all seeds make in a second."""
    for preset in presets.split(","):
        best = dict.fromkeys(WAYS, float("inf"))
        for _ in range(turns):
            for name, way in WAYS.items():
                best[name] = min(best[name], step_s(preset, way))
        for line in table(preset, best):
            print(line, flush=True)


def table(preset: str, best: dict[str, float]) -> Iterator[str]:
    yield f"| `{preset}`, tree | step of one seed | steps of all seeds | against 1 seed, 1 thread |"
    yield "| --- | --- | --- | --- |"
    alone = 1 / best["one seed, 1 thread"]
    for name, seconds in best.items():
        rate = WAYS[name].processes / seconds
        yield f"| {name} | {seconds:.3g} s | {rate:.3g} per second | {rate / alone:.2f} |"
    yield ""


def step_s(preset: str, way: Way) -> float:
    """Wall time of a step, of the slowest process."""
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(way.processes), context.SimpleQueue()
    neighbours = [_started(context, _be_busy) for _ in range(way.neighbours)]
    workers = [
        _started(context, _train, preset, way.threads, barrier, times) for _ in range(way.processes)
    ]
    slowest: float = max(times.get() for _ in workers)
    for worker in workers:
        worker.join()
    for neighbour in neighbours:
        neighbour.terminate()
        neighbour.join()
    return slowest


def _started(context: SpawnContext, target: Any, *arguments: object) -> SpawnProcess:
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def _train(preset: str, threads: int, barrier: Any, times: Any) -> None:
    keep_freed_memory()
    torch.set_num_threads(threads)
    model = trainer(preset, sampling="tree")
    batch = model.next_batch()
    model.step(batch)
    barrier.wait()
    start = time.perf_counter()
    for _ in range(STEPS[preset]):
        model.step(batch)
    times.put((time.perf_counter() - start) / STEPS[preset])


def _be_busy() -> None:
    torch.set_num_threads(1)
    matrix = torch.randn(256, 256)
    while True:
        matrix @ matrix


if __name__ == "__main__":
    typer.run(main)
