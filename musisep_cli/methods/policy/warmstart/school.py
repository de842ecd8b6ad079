"""School: the training loop on simulated frames, resumable.

Axes: ``b`` frames, ``m`` lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from musisep_cli.machine.device import random_state, set_random_state
from musisep_cli.machine.files import atomic_path
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.warmstart.simulator import Simulator
from musisep_cli.methods.policy.warmstart.teacher import Lesson, TeacherConfig, teach
from musisep_cli.methods.schooling import RatesConfig, Schooling


@dataclass(frozen=True, kw_only=True)
class SchoolConfig(RatesConfig):
    """Rates and number of steps."""

    steps: int = 20_000
    """Number of training steps."""
    batch_size: int = 16
    """Number of frames per step."""
    warmup_steps: int = 200
    """Number of steps over which the step size rises: at first Adam does not know the gradients."""
    lines: tuple[int, ...] = (1, 2, 2, 2, 2, 2, 3, 3, 4)
    """Numbers of lines that a batch may have, each equally likely."""


class School(Schooling):
    """Trains a policy on simulated frames; randomness comes from torch's global generator.

    Frames are simulated on the CPU, so that they are the same for every device, and learned on the
    policy's device.

    Args:
        config: rates and number of steps.
        teacher: weights of the objective.
        simulator: draws the frames.
        policy: the network, trained in place.
    """

    def __init__(
        self, config: SchoolConfig, teacher: TeacherConfig, simulator: Simulator, policy: Policy
    ) -> None:
        super().__init__(config, policy)
        self.config, self.teacher = config, teacher
        self.simulator, self.policy = simulator, policy

    def run(self) -> Iterator[tuple[int, Lesson]]:
        """Train to the end; yield the number of every step and its lesson."""
        while self.step < self.config.steps:
            self.step += 1
            yield self.step, self._lesson()

    def _lesson(self) -> Lesson:
        """Take a step on a new batch; one that is not finite is left out."""
        lines = self.config.lines
        n_lines = lines[int(torch.randint(len(lines), (1,)))]
        lesson = self._taught(self.config.batch_size, n_lines)
        self._improve(lesson.total)
        return lesson

    def save(self, path: Path) -> None:
        """Write everything that training changes, for ``resume``."""
        state = {
            "step": self.step,
            "policy": self.policy.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            **random_state(self.device),
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a file of ``save``."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.step = int(state["step"])
        self.policy.load_state_dict(state["policy"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}
        set_random_state(state, self.device)

    def examine(self, n_frames: int, n_lines: int) -> Lesson:
        """Return a lesson on new frames, from which nothing is learned."""
        return self._taught(n_frames, n_lines)

    def _taught(self, n_frames: int, n_lines: int) -> Lesson:
        """Return a lesson on new frames."""
        frames = self.simulator.draw(n_frames, n_lines)
        return teach(self.policy, frames.to(self.device), self.teacher)
