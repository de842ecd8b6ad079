"""``python -m musisep_cli.methods.identity.training``: make training music, and learn from it.

    ... training pool --folder F                 the music, once; several may run at a time
    ... training learn --folder F --out F/run    the training, for as long as one likes
    ... training portraits --out FILE            the table of instruments by name, in minutes

The first two go on where they were stopped. What ``learn`` leaves in its folder: ``checkpoint.pt``,
all that it needs to go on; ``network.safetensors``, the averaged weights; ``curve.csv``, held-out
quality.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from musisep_cli.errors import MusisepError
from musisep_cli.machine.device import resolve_device
from musisep_cli.machine.interruption import deferred
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.identity import weights
from musisep_cli.methods.identity.network import Network, NetworkConfig
from musisep_cli.methods.identity.training import curve, pool, soundfont
from musisep_cli.methods.identity.training.exam import examine, questions
from musisep_cli.methods.identity.training.mixing import Mixer, MixingConfig, Mixtures
from musisep_cli.methods.identity.training.portraits import portraits as portraits_of
from musisep_cli.methods.identity.training.school import School, SchoolConfig
from musisep_cli.tones import instruments

CHECKPOINT_S = 180.0
"""Most seconds that a killed training has to repeat."""
EXAM_STEPS = 500
"""Steps between two exams."""
EXAM_BATCHES = 24
"""Batches of an exam: 96 questions, whose mean gain is known to about 0.5 dB."""
HELD_OUT_PIECES = 40
"""Pieces of the pools for exams."""

app = typer.Typer(help=__doc__, no_args_is_help=True)
Folder = Annotated[Path, typer.Option(help="Folder of the music; some 3 MB a piece.")]


@app.command("pool")
def make_pool(
    folder: Folder,
    pieces: Annotated[int, typer.Option(min=1, help="Pieces to train with.")] = 400,
    worker: Annotated[int, typer.Option(min=0, help="Which of the workers this is.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Workers that share the pieces.")] = 1,
) -> None:
    """Compose and play music whose tracks are known."""
    for kind in pool.KINDS:
        n_pieces = pieces if kind.name == "training" else HELD_OUT_PIECES
        numbers = range(worker, n_pieces, workers)
        for number in pool.fill(folder / kind.name, kind, numbers):
            typer.echo(f"{kind.name}: piece {number} of {n_pieces}")


@app.command()
def learn(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, weights and curve.")],
    pieces: Annotated[int, typer.Option(min=2, help="Pieces of the pool to learn from.")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="Steps in all.")] = SchoolConfig().steps,
    seed: Annotated[int, typer.Option(min=0, help="Of start weights and mixtures.")] = 0,
    start: Annotated[
        Path | None, typer.Option(help="Weights to start from where there is no checkpoint.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: Annotated[str, typer.Option(help="Where to learn: auto, cpu, cuda or cuda:i.")] = "cpu",
) -> None:
    """Train the network; interrupted, it goes on when it is started again."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    try:
        network = weights.load(start) if start else Network(NetworkConfig(), seed)
        network.requires_grad_(True).to(resolve_device(device))
        mixer = Mixer(folder / "training", pieces, MixingConfig(), seed)
        strange = Mixer(folder / "held-out", HELD_OUT_PIECES, MixingConfig(), seed)
        school = School(SchoolConfig(steps=steps), mixer, network, seed)
        if (out / "checkpoint.pt").exists():
            school.resume(out / "checkpoint.pt")
            curve.cut(out / "curve.csv", school.step)
            typer.echo(f"going on from step {school.step}")
    except MusisepError as error:
        raise typer.BadParameter(str(error)) from error
    with deferred() as requested:
        asked = questions(strange, EXAM_BATCHES)
        school.train(
            out / "checkpoint.pt",
            checkpoint_s=CHECKPOINT_S,
            exam_steps=EXAM_STEPS,
            examine=lambda losses: _examine(school, asked, losses, out),
            stopped=requested.is_set,
            saved=lambda: _tell_saved(school),
        )


@app.command()
def portraits(
    out: Annotated[Path, typer.Option(help="File to write.")],
    font: Annotated[Path, typer.Option(help="Sounds to portray.")] = soundfont.FLUID,
) -> None:
    """Portray every instrument of General MIDI: the table behind --instrument."""
    try:
        found = portraits_of(font)
    except MusisepError as error:
        raise typer.BadParameter(str(error)) from error
    instruments.save(found, out)
    names = len({portrait.name for portrait in found})
    typer.echo(f"{out}: {len(found)} portraits of {names} instruments")


def _tell_saved(school: School) -> None:
    """Say that the checkpoint was written, and what it has cost."""
    typer.echo(f"step {school.step}: checkpoint, {time.process_time():.0f} s of CPU time")


def _examine(school: School, asked: Sequence[Mixtures], losses: list[float], out: Path) -> None:
    """Write the averaged weights, and what they score as a row of the curve."""
    kept = Network(school.network.config).to(school.device)
    kept.load_state_dict(school.average)
    weights.save(kept, out / "network.safetensors")
    found = curve.CurveRow(
        step=school.step,
        cpu_s=time.process_time(),
        loss=float(np.mean(losses)),
        **vars(examine(kept, asked)),
    )
    curve.append(out / "curve.csv", found)
    typer.echo(str(found))


if __name__ == "__main__":
    app()
