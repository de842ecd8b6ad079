"""Training steps of ``paper`` on a GPU, one seed and several: ``python -m tests.benchmarks.gpu``.

Wall times: the host starts a GPU's work, and what counts is how long both take together. Seeds side
by side are processes, as with ``--jobs``, which take turns on the GPU. To try the program where
there is none: ``--device cpu --preset quick --steps 2 --processes 1,2``.
"""

import multiprocessing
import time
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import torch
import typer

from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.run.settings.compose import compose
from tests.benchmarks.parts import trainer

N_SEEDS = 6
N_WARM_UPS = 10


@dataclass(frozen=True)
class Way:
    """How a seed is trained: what is drawn, in what numbers, and how its operations are started."""

    sampling: str
    precision: str
    recorded: bool


@dataclass(frozen=True)
class Timed:
    """What a step takes.

    Attributes:
        step_s: wall time, of the slowest process.
        busy_s: the GPU's own work for one seed's; not known of a CPU.
    """

    step_s: float
    busy_s: float | None


def main(
    device: str = "cuda:0",
    preset: str = "paper",
    steps: Annotated[int, typer.Option(help="Timed steps of every seed.")] = 50,
    processes: Annotated[str, typer.Option(help="Seeds side by side.")] = "1,2,3,6",
) -> None:
    """A row per way and number of seeds."""
    cuda = torch.device(device).type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else device
    iterations = compose(preset, {"run": {"instruments": 2}}).settings.training.iterations
    print(f"`{preset}`, two instruments, on {name}, torch {torch.__version__}, {steps} steps")
    print()
    print(f"| sampling | convolutions | graph | seeds at once | step | kernels | {N_SEEDS} seeds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    ways = product(
        ("independent", "tree"), ("float32", "bfloat16"), (False, True) if cuda else (False,)
    )
    for way, at_once in product((Way(*way) for way in ways), map(int, processes.split(","))):
        timed = time_of(way, device=device, preset=preset, steps=steps, processes=at_once)
        print(row(way, timed, at_once, iterations), flush=True)


def row(way: Way, timed: Timed, at_once: int, iterations: int) -> str:
    """Time of a step beside that of a whole separation, which follows from it."""
    minutes = N_SEEDS / at_once * iterations * timed.step_s / 60
    busy = "" if timed.busy_s is None else f"{1e3 * timed.busy_s:.1f} ms"
    return (
        f"| {way.sampling} | {way.precision} | {'yes' if way.recorded else 'no'} | "
        f"{at_once} | {1e3 * timed.step_s:.1f} ms | {busy} | {minutes:,.0f} min |"
    )


def time_of(way: Way, *, device: str, preset: str, steps: int, processes: int) -> Timed:
    """Every seed in a process of its own, all timed from the moment when all are ready."""
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=_train, args=(way, device, preset, steps, barrier, times))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode != 0:
            raise SystemExit(f"{way} with {processes} seeds failed: see above")
    return max((times.get() for _ in workers), key=lambda timed: timed.step_s)


def _train(way: Way, device: str, preset: str, steps: int, barrier: Any, times: Any) -> None:
    torch.set_num_threads(1)
    run = {"precision": way.precision, "cuda_graphs": way.recorded}
    model = trainer(preset, sampling=way.sampling, device=torch.device(device), run=run)
    try:
        for _ in range(min(N_WARM_UPS, steps)):
            model.step(model.next_batch())
        busy_s = _busy_s(model) if torch.device(device).type == "cuda" else None
    except BaseException:
        barrier.abort()  # or else the others would wait for ever
        raise
    barrier.wait()
    start = time.perf_counter()
    for _ in range(steps):
        model.step(model.next_batch())
    step_s = (time.perf_counter() - start) / steps
    times.put(Timed(step_s, busy_s))


def _busy_s(model: Trainer) -> float:
    """What a GPU works in a step, in all its kernels."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        model.step(model.next_batch())
        torch.cuda.synchronize()
    return 1e-6 * sum(event.self_device_time_total for event in profile.key_averages())


if __name__ == "__main__":
    typer.run(main)
