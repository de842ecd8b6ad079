"""Journal: what one seed has done so far, told to the user and kept to go on from.

It is the ``Work`` that a method gets. A state holds the method's own state, where the frames lie
that were worked through, the training curve and the random generators.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.errors import CheckpointError
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.device import random_state, set_random_state
from musisep_cli.methods.method import OnProgress, Progress, State, StepReport
from musisep_cli.run.checkpoint import Checkpoints
from musisep_cli.sound.blockwise import Shelf, Stems
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.tracks import PitchTracks

PERCENT = 100
"""Parts in which the finding of tracks is told."""
FindTracks: TypeAlias = Callable[[Recording, int, Callable[[int, str], None]], PitchTracks]
"""Finds what a number of instruments play in a recording; tells how many percent are done on the
way, each time with a sentence for the user or none."""
CURVE_POINTS = 1000
"""Number of stretches into which all steps are divided; their means are the training curve."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the run provides for the work on a seed.

    Attributes:
        device: where to compute, and whose random generator is drawn from.
        n_threads: CPU threads.
        precision: number format of a network's convolutions.
        shelf: where the stems are put.
        checkpoints: where the state is kept, if it is.
        on_progress: called after every step and block.
        find_tracks: finds what every instrument plays, blind.
    """

    device: torch.device
    n_threads: int
    precision: Literal["float32", "bfloat16"]
    shelf: Shelf
    checkpoints: Checkpoints | None
    on_progress: OnProgress
    find_tracks: FindTracks


class Journal:
    """Where a seed stands: what the run lends its method as ``Work``.

    Args:
        seed: which.
        desk: where it is worked on.
        state: a state to go on from, if there is one.
        files: closes what is opened here, when the seed is done.

    Attributes:
        curve: means of full stretches of the training steps so far.
        stretch: steps of the stretch that is not full yet.
        keep: gives the method's own state.
    """

    def __init__(self, seed: int, desk: Desk, state: State | None, files: ExitStack) -> None:
        self.seed, self.desk, self.files = seed, desk, files
        self.device, self.n_threads = desk.device, desk.n_threads
        self.precision: Literal["float32", "bfloat16"] = desk.precision
        self.given: State = state or {}
        self.keep: Callable[[], State] = dict
        self.curve: list[StepReport] = []
        self.stretch: list[StepReport] = []
        self.spools: dict[str, Spool] = {}
        self.started_s = time.monotonic()

    @property
    def wall_s(self) -> float:
        """Return the time since the seed was started, without that between a stop and going on."""
        return time.monotonic() - self.started_s

    def take_up(self) -> State:
        """Return the method's own state, after everything else was set to what it was then.

        That is the training curve, the time spent and the random state.

        Raises:
            CheckpointError: the state does not fit this version.
        """
        state = self.given
        if not state:
            return {}
        with self.fitting():
            self.curve, self.stretch = (
                [StepReport(*row) for row in state[name]] for name in ("curve", "stretch")
            )
            self.started_s -= float(state["wall_s"])
            set_random_state(state, self.device)
            stage, done, total = str(state["stage"]), int(state["done"]), int(state["total"])
            own: State = state["method"]
            self.tell(stage, done, total, f"going on with {stage} from {done} of {total}")
        return own

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Turn whatever goes wrong while a state is taken up into an error of the state."""
        try:
            yield
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"seed {self.seed}: its checkpoint does not fit this version of musisep ({error}). "
                "Start it over, without --resume."
            ) from error

    def state(self, stage: str, done: int, total: int) -> State:
        """Return all that ``take_up`` needs, and how much of the stage's frames is on disk."""
        spool = self.spools.get(stage)
        return {
            "stage": stage,
            "done": done,
            "total": total,
            "frames": spool.mark() if spool is not None else {},
            "method": self.keep(),
            "curve": [list(astuple(report)) for report in self.curve],
            "stretch": [list(astuple(report)) for report in self.stretch],
            **random_state(self.device),
            "wall_s": self.wall_s,
        }

    def blind_tracks(self, stage: str, recording: Recording, n_instruments: int) -> PitchTracks:
        """Return what every instrument plays, as the default preset finds it blind."""

        def reached(percent: int, note: str) -> None:
            """Tell how far it is, and end the work here if that is wanted."""
            self.pause(stage, 0, PERCENT)
            self.tell(stage, percent, PERCENT, note=note)

        return self.desk.find_tracks(recording, n_instruments, reached)

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Tell the user where the seed stands: ``done`` of ``total`` parts of a stage."""
        self.desk.on_progress(Progress(self.seed, stage, done, total, note=note))

    def reached(self, stage: str, done: int, total: int) -> None:
        """Tell the user where the seed stands, and offer the state to go on from here."""
        self._offer(partial(self.state, stage, done, total))
        self.tell(stage, done, total)

    def stepped(self, stage: str, report: StepReport, total: int) -> None:
        """Tell the user of a training step, one of ``total``, and offer the state after it."""
        self.stretch.append(report)
        if len(self.stretch) >= total / CURVE_POINTS:
            self.curve.append(_mean(self.stretch))
            self.stretch = []
        self._offer(partial(self.state, stage, report.iteration, total))
        self.desk.on_progress(Progress(self.seed, stage, report.iteration, total, report))

    def pause(self, stage: str, done: int, total: int) -> None:
        """End the work here if the user wants it to; it can go on from what was reached before."""
        if self.desk.checkpoints is not None:
            self.desk.checkpoints.pause(partial(self.state, stage, done, total))

    def hold(self, stage: str, done: int, total: int) -> Callable[[], None]:
        """Take a copy of the state, and return a function that offers it to go on from.

        It serves work that has already begun on the next part before this one is safe.
        """
        held = self.state(stage, done, total) if self.desk.checkpoints is not None else {}
        return lambda: self._offer(lambda: held)

    def _offer(self, state: Callable[[], State]) -> None:
        """Offer a state to the checkpoints, if there are any."""
        if self.desk.checkpoints is not None:
            self.desk.checkpoints.offer(state)

    @property
    def whole_curve(self) -> tuple[StepReport, ...]:
        """Return the training curve so far; its last point may be of an unfinished stretch."""
        return (*self.curve, *([_mean(self.stretch)] if self.stretch else []))

    def frames(self, stage: str) -> Spool:
        """Open the file of what a stage finds in the frames; the caller closes it."""
        spool = self.spools[stage] = self._frames(stage)
        return spool

    def _frames(self, stage: str) -> Spool:
        """Open that file: with what a checkpoint says of it, empty, or without checkpoints."""
        checkpoints = self.desk.checkpoints
        if checkpoints is None:
            return Spool.temporary()
        if self.given.get("stage") == stage:
            with self.fitting():
                return checkpoints.reopen(self.given)
        return checkpoints.spool(stage)

    def scratch(self) -> Spool:
        """Open a temporary file, which no checkpoint names; the caller closes it."""
        checkpoints = self.desk.checkpoints
        return checkpoints.scratch() if checkpoints is not None else Spool.temporary()

    def shelve(
        self, stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
    ) -> Stems:
        """Return all stems, put together from consecutive stretches ``[i, t, c]``.

        Args:
            stretches: in the order of time; together they are as long as the stems.
            shape: of the stems, instruments, samples and channels.
        """
        return self.desk.shelf(stretches, shape)


def _mean(reports: list[StepReport]) -> StepReport:
    """Return the last of some steps' reports with the means over all of them as its terms.

    Terms that are not finite are left out; one that never was finite is NaN.
    """
    terms: dict[str, float] = {}
    for name in reports[-1].terms:
        values = np.array([report.terms[name] for report in reports])
        finite = values[np.isfinite(values)]
        terms[name] = float(finite.mean()) if len(finite) else float("nan")
    return replace(reports[-1], terms=terms)
