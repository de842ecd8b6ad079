"""Journal: what one seed has done so far, told to the user and kept to go on from.

A state holds the training as far as it is, where the frames lie that were heard, and the random
generators. Nothing draws random numbers before the stage goes on that the state is of, so these can
be set as soon as it is taken up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from musisep_cli.errors import CheckpointError
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.device import random_state, set_random_state
from musisep_cli.methods.decoding.rehearsal import Rehearsal
from musisep_cli.methods.policy.trainer import StepReport, Trainer
from musisep_cli.run.checkpoint import Checkpoints, State
from musisep_cli.run.result import OnProgress, Progress, Stage

CURVE_POINTS = 1000
"""The training curve is kept as the means of this many stretches."""


class Journal:
    """Where a seed stands.

    Args:
        seed: which.
        device: whose random generator it draws from.
        on_progress: called after every step and block.
        checkpoints: where the state is offered after every step and block.
        files: closes what is opened here, when the seed is done.

    Attributes:
        taken_up: the state that it goes on from; empty from the start.
        trainer: once there is one.
        curve: means of full stretches of the training steps so far.
    """

    def __init__(
        self,
        seed: int,
        device: torch.device,
        on_progress: OnProgress,
        checkpoints: Checkpoints | None,
        files: ExitStack,
    ) -> None:
        self.seed, self.device, self.tell = seed, device, on_progress
        self.checkpoints, self.files = checkpoints, files
        self.taken_up: State = {}
        self.trainer: Trainer | Rehearsal | None = None
        self.curve: list[StepReport] = []
        self.stretch: list[StepReport] = []
        self.frames: Spool | None = None
        self.started_s = time.monotonic()

    @property
    def wall_s(self) -> float:
        """Since the seed was started, without the time between a stop and going on."""
        return time.monotonic() - self.started_s

    def take_up(self, state: State) -> None:
        """Go on from a checkpoint: what was done before it is not done again."""
        with self.fitting():
            self.curve, self.stretch = (
                [StepReport(*row) for row in state[name]] for name in ("curve", "stretch")
            )
            self.started_s -= float(state["wall_s"])
            set_random_state(state, self.device)
            self.taken_up = state
            stage, done, total = state["stage"], int(state["done"]), int(state["total"])
            note = f"going on with {stage} from {done} of {total}"
            self.tell(Progress(self.seed, stage, done, total, note=note))

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Whatever goes wrong while a state is taken up, it is the state's fault."""
        try:
            yield
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"seed {self.seed}: its checkpoint does not fit this version of musisep ({error}). "
                "Start it over, without --resume."
            ) from error

    def state(self, progress: Progress) -> State:
        """What ``take_up`` goes on from, with where the frames of the stage are that are done."""
        of_frames = progress.stage in ("listening", "transcription")
        return {
            "stage": progress.stage,
            "done": progress.done,
            "total": progress.total,
            "frames": self.frames.mark() if self.frames and of_frames else {},
            "trainer": self.trainer.state_dict() if self.trainer else {},
            "curve": [list(astuple(report)) for report in self.curve],
            "stretch": [list(astuple(report)) for report in self.stretch],
            **random_state(self.device),
            "wall_s": self.wall_s,
        }

    def reached(self, progress: Progress) -> None:
        """A point from which the run can go on."""
        self.offer(partial(self.state, progress))
        self.tell(progress)

    def offer(self, state: Callable[[], State]) -> None:
        """The run can go on from a state."""
        if self.checkpoints is not None:
            self.checkpoints.offer(state)

    def pause(self, progress: Progress) -> None:
        """The run can be put down, and goes on from what it reached before."""
        if self.checkpoints is not None:
            self.checkpoints.pause(partial(self.state, progress))

    def trained(self, report: StepReport, total: int) -> None:
        """One training step of so many is done."""
        self.stretch.append(report)
        if len(self.stretch) >= total / CURVE_POINTS:
            self.curve.append(_mean(self.stretch))
            self.stretch = []
        self.reached(Progress(self.seed, "training", report.iteration, total, report))

    @property
    def whole_curve(self) -> tuple[StepReport, ...]:
        """The training so far, a stretch that is not yet full with it."""
        return (*self.curve, *([_mean(self.stretch)] if self.stretch else []))

    def open_frames(self, stage: Stage) -> Spool:
        """Where what is heard in a stage goes; what a state tells of is there already."""
        self.frames = self.files.enter_context(closing(self._frames(stage)))
        return self.frames

    def _frames(self, stage: Stage) -> Spool:
        if self.checkpoints is None:
            return Spool.temporary()
        if self.taken_up.get("stage") == stage:
            with self.fitting():
                return self.checkpoints.reopen(self.taken_up)
        return self.checkpoints.spool(stage)

    def scratch(self) -> Spool:
        """A file that nobody goes on from, to be closed."""
        return self.checkpoints.scratch() if self.checkpoints else Spool.temporary()


def _mean(reports: list[StepReport]) -> StepReport:
    """Mean of the finite terms of some steps, at the last one's place."""
    terms: dict[str, Any] = {}
    for name in ("objective", "dictionary", "direct", "agreement"):
        values = np.array([getattr(report, name) for report in reports])
        finite = values[np.isfinite(values)]
        terms[name] = float(finite.mean()) if len(finite) else float("nan")
    return replace(reports[-1], **terms)
