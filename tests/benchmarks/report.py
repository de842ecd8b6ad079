"""Speed, and the correctness beside it, as a Markdown page: ``make bench``.

Times are CPU times, the least of several runs in one process, versions that are compared in turns.
These machines are shared: compare the ratios within a page, not the milliseconds between pages.
"""

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from musisep_cli import __version__
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.run.settings.compose import compose
from tests.benchmarks import optimisations, parts, scale
from tests.benchmarks.measure import Ceiling, ceiling
from tests.benchmarks.parts import N_INSTRUMENTS, Part

COMMAND = "python -m tests.benchmarks.report"
PAGES = (
    "hour.md",
    "amx.md",
    "precision.md",
    "seeds.md",
    "ablation.md",
    "training.md",
    "crossed.md",
    "ceiling.md",
    "stereo.md",
    "cluster.md",
)
"""What this program does not find by itself: an hour, another processor, and what the programs of
this folder have found, up to an hour's work each. Tables and their commands only: what they say is
in ``docs/quality.md``, what was tried and dropped in ``docs/tries.md``."""
THREADS = 1
AUTHORS_STEP_S = 8.9
"""CPU time of a training step of the authors' code, two instruments, six frames, one core."""
STEPS = (("quick", "tree"), ("paper", "independent"), ("paper", "tree"))
PREDICTIONS = ("standard", "quick", "paper")


def main() -> None:
    keep_freed_memory()  # as the programs do
    torch.set_num_threads(THREADS)
    for line in page():
        print(line, flush=True)


def page() -> Iterator[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    best = ceiling()
    made_by = f"musisep {__version__}, commit {commit or 'unknown'}, torch {torch.__version__}"
    yield "# Benchmarks"
    yield ""
    yield f"`{COMMAND}`: {made_by},"
    machine = platform.processor() or platform.machine()
    yield f"{THREADS} thread, {machine}. CPU times, not wall times."
    yield f"A duet of {parts.DURATION_S:.0f} s at {parts.RATE_HZ} Hz, two instruments."
    yield ""
    yield "The machine's best through PyTorch, in the same process:"
    yield (
        f"matrix product {best.matrix / 1e9:.0f} GFLOP/s, convolution "
        f"{best.convolution / 1e9:.0f} GFLOP/s and in bfloat16 "
        f"{best.convolution_bfloat16 / 1e9:.0f} GFLOP/s, copy {best.copy / 1e9:.1f} GB/s (read and "
        "written)."
    )
    yield ""
    yield "No GPU was lent: its rows are **unmeasured**."
    yield ""
    yield from part_table(best)
    yield ""
    yield from optimisation_table()
    yield ""
    yield from scale.page()
    yield from other_pages()


def other_pages() -> Iterator[str]:
    """The tables of the other programs, as they were last written down."""
    for page in PAGES:
        yield ""
        yield Path(__file__).with_name(page).read_text("utf-8").rstrip()


def part_table(best: Ceiling) -> Iterator[str]:
    """The parts, each beside its work and what the machine would need for it at its best."""
    yield "## Parts"
    yield ""
    yield (
        "Operations are those of convolutions and matrix products, two per multiply-add; bytes all"
        " inputs and outputs of all operations, as if nothing were ever cached. The share of the"
        " best is the operations' rate over the convolution rate, of bfloat16 where the network"
        " computes in it; where there are no operations to speak of, the bytes' over the copy rate,"
        " above 100 % where caches do help."
    )
    yield ""
    yield "| part | CPU time | GFLOP | GB | GFLOP/s | of best | note |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    steps, predictions = {}, {}
    for part in parts.frame_parts():
        yield part_row(part, best)
    for preset, sampling in STEPS:
        network = Part("", 0.0, parts.Work())
        for part in parts.step_parts(preset, sampling):
            if part.name.endswith("training step"):
                steps[preset, sampling] = part.seconds
            yield part_row(part, best)
            if ": network" in part.name:
                network = network.plus(part)
        name = f"`{preset}`, {sampling}: network, both"
        yield part_row(replace(network, name=name), best)
    for preset in PREDICTIONS:
        part = parts.prediction_part(preset)
        predictions[preset] = part.seconds
        yield part_row(part, best)
    yield from whole_rows(steps["paper", "independent"], steps["paper", "tree"], predictions)
    yield "| anything on a GPU | unmeasured | | | | | `python -m tests.benchmarks.gpu` times it |"


def part_row(part: Part, best: Ceiling) -> str:
    if part.work == parts.Work():
        return f"| {part.name} | {time_text(part.seconds)} | | | | | {part.note} |"
    rate = part.work.operations / part.seconds
    share = rate / (best.convolution_bfloat16 if part.in_bfloat16 else best.convolution)
    of_best = f"{share:.0%}{' of bfloat16' if part.in_bfloat16 else ''}"
    if share < 0.02:
        of_best = f"{part.work.bytes / part.seconds / best.copy:.0%} of copy"
    return (
        f"| {part.name} | {time_text(part.seconds)} | {part.work.operations / 1e9:.3g} | "
        f"{part.work.bytes / 1e9:.3g} | {rate / 1e9:.3g} | {of_best} | {part.note} |"
    )


def whole_rows(independent_s: float, tree_s: float, predictions: dict[str, float]) -> Iterator[str]:
    """What follows for whole separations."""
    iterations = compose(
        "paper", {"run": {"instruments": N_INSTRUMENTS}}
    ).settings.training.iterations
    for sampling, step_s in (("independent", independent_s), ("tree", tree_s)):
        total_h = (iterations * step_s + parts.DURATION_S * predictions["paper"]) / 3600
        yield (
            f"| `separate --preset paper --sampling {sampling}`, 10 s, one seed | {total_h:.0f} h "
            f"| | | | | {iterations:,} steps, from the rows above; a step is "
            f"{step_s / AUTHORS_STEP_S:.2f} of the authors' {AUTHORS_STEP_S} s |"
        )


def time_text(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:,.3g} ms"


def optimisation_table() -> Iterator[str]:
    """How much faster was predicted and found."""
    yield "## Optimisations"
    yield ""
    yield (
        "Gains are factors of CPU time, before over after, measured in turns in this run, against"
        " the plain version in `tests/plain.py`."
    )
    yield ""
    yield "| what | predicted | measured | verdict |"
    yield "| --- | --- | --- | --- |"
    for entry in optimisations.kept():
        yield f"| {entry.name} | {entry.predicted} | {entry.measured} | {entry.verdict} |"


if __name__ == "__main__":
    main()
