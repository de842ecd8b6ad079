"""``python -m musisep_cli.methods.policy.warmstart``: make the weights of a warm start.

After an interruption it goes on from its last checkpoint, if it is started with the same arguments.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from musisep_cli.errors import MusisepError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.machine.device import resolve_device
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.methods.policy.warmstart import weights
from musisep_cli.methods.policy.warmstart.school import School, SchoolConfig
from musisep_cli.methods.policy.warmstart.simulator import (
    SAMPLE_RATE_HZ,
    Simulator,
    SimulatorConfig,
)
from musisep_cli.methods.policy.warmstart.teacher import Lesson, TeacherConfig
from musisep_cli.run.settings.compose import compose, resolved

REPORT_STEPS, CHECKPOINT_STEPS = 100, 500
"""Number of steps between two lines of output, and between two checkpoints."""
EXAM_FRAMES, EXAM_SEED = 256, 1_000_003
"""Number of frames of the exam at the end, and their seed, far from those of the training."""


def main(
    out: Annotated[Path, typer.Option(help="Weights file to write (.safetensors).")],
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = SchoolConfig().steps,
    seed: Annotated[int, typer.Option(min=0, help="Of the start weights and all frames.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    start: Annotated[
        str, typer.Option(help="Weights to go on from: a file, or builtin; else random ones.")
    ] = "",
    device: Annotated[str, typer.Option(help="Where to learn: auto, cpu, cuda or cuda:i.")] = "cpu",
) -> None:
    """Train the network of the preset ``standard`` to find tones in simulated frames."""
    try:
        where = resolve_device(device)
    except MusisepError as error:
        raise typer.BadParameter(str(error)) from error
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    config = resolved(compose("standard"), where)
    simulator = Simulator(SimulatorConfig(), config.settings.frame)
    frame = GaborFrame(config.settings.frame, SAMPLE_RATE_HZ, device=where)
    policy = new_policy(config.settings, 1, frame, config.run.precision).to(where)
    if start:
        weights.load(policy, weights.WarmstartConfig(weights=start))
    school = School(SchoolConfig(steps=steps), TeacherConfig(), simulator, policy)
    checkpoint = out.with_suffix(".checkpoint.pt")
    if checkpoint.exists():
        school.resume(checkpoint)
        typer.echo(f"going on from step {school.step} of {checkpoint}")
    started, lessons = time.monotonic(), []
    for step, lesson in school.run():
        lessons.append(lesson)
        if step % REPORT_STEPS == 0 or step == steps:
            typer.echo(f"step {step} ({time.monotonic() - started:.0f} s): {_summary(lessons)}")
            lessons = []
        if step % CHECKPOINT_STEPS == 0 or step == steps:
            school.save(checkpoint)
            policy_state = {k: v.clone() for k, v in policy.state_dict().items()}
            policy.load_state_dict(school.average)
            weights.save(policy, out)
            policy.load_state_dict(policy_state)
    policy.load_state_dict(school.average)
    torch.manual_seed(EXAM_SEED)
    for n_lines in range(1, SimulatorConfig().max_lines + 1):
        with torch.no_grad():
            exam = school.examine(EXAM_FRAMES, n_lines)
        typer.echo(f"exam, {n_lines} lines, {EXAM_FRAMES} frames: {_summary([exam])}")


def _summary(lessons: list[Lesson]) -> str:
    """Return the means of all terms as text."""
    names = ("total", "pitch", "tone", "mixture", "on", "inharmonicity", "found")
    means = {
        name: torch.stack([getattr(lesson, name).detach() for lesson in lessons]).nanmean()
        for name in names
    }
    return ", ".join(f"{name} {float(mean):.4f}" for name, mean in means.items())


if __name__ == "__main__":
    typer.run(main)
