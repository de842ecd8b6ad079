"""``python -m musisep_cli.methods.source_filter.training``: learn the start weights.

It goes on where it was stopped. What it leaves in its folder: ``checkpoint.pt``, all that it needs
to go on; ``voices.safetensors``, the averaged weights; ``curve.csv``, what becomes of phrases that
were not learned from.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from musisep_cli.errors import MusisepError
from musisep_cli.machine.files import write_text_atomic
from musisep_cli.machine.interruption import deferred
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.source_filter import weights
from musisep_cli.methods.source_filter.network import Network, NetworkConfig
from musisep_cli.methods.source_filter.training.mixing import Mixer, Mixtures
from musisep_cli.methods.source_filter.training.school import School, SchoolConfig, examine

CHECKPOINT_S = 120.0
"""Most seconds that a killed training has to repeat."""
EXAM_STEPS, EXAM_BATCHES = 100, 6
"""Steps between two exams, and their batches of four mixtures of two and of three voices."""
HELD_OUT_SEED, HELD_OUT_PHRASES = 1_000_003, 48
"""Seed and number of the phrases of exams."""
HEAD = "step,cpu_s,loss,held_out_loss,sdr_db,ideal_sdr_db"
"""Columns of the curve."""


def main(
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, weights and curve.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps in all.")] = SchoolConfig().steps,
    phrases: Annotated[int, typer.Option(min=4, help="Phrases to learn from.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, phrases and mixtures.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Train the network of ``spectral`` on simulated phrases."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    network = started(NetworkConfig(), seed)
    school = School(SchoolConfig(steps=steps), Mixer(phrases, seed), network)
    try:
        if (out / "checkpoint.pt").exists():
            school.resume(out / "checkpoint.pt")
            typer.echo(f"going on from step {school.step}")
    except MusisepError as error:
        raise typer.BadParameter(str(error)) from error
    held_out = Mixer(HELD_OUT_PHRASES, HELD_OUT_SEED)
    asked = [held_out.batch(number, 2 + number % 2) for number in range(EXAM_BATCHES)]
    with deferred() as requested:
        school.train(
            out / "checkpoint.pt",
            checkpoint_s=CHECKPOINT_S,
            exam_steps=EXAM_STEPS,
            examine=lambda losses: _examine(school, asked, losses, out),
            stopped=requested.is_set,
        )


def started(config: NetworkConfig, seed: int) -> Network:
    """Return a network with the random weights of a seed; the global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config)


def _examine(school: School, asked: list[Mixtures], losses: list[float], out: Path) -> None:
    """Write the averaged weights, and what they come to as a row of the curve."""
    kept = Network(school.network.config)
    kept.load_state_dict(school.average)
    weights.save(school.average, out / "voices.safetensors")
    found = examine(kept, asked)
    row = (school.step, time.process_time(), sum(losses) / len(losses), *vars(found).values())
    path = out / "curve.csv"
    before = path.read_text("utf-8").splitlines() if path.exists() else [HEAD]
    kept_rows = [line for line in before[1:] if int(line.split(",")[0]) < school.step]
    line = ",".join(f"{value:.5g}" for value in row)
    write_text_atomic(path, "\n".join([HEAD, *kept_rows, line]) + "\n")
    typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
