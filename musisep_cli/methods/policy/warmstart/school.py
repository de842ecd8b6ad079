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


@dataclass(frozen=True, kw_only=True)
class SchoolConfig:
    """Rates and number of steps."""

    steps: int = 20_000
    """Number of training steps."""
    batch_size: int = 16
    """Number of frames per step."""
    learning_rate: float = 1e-3
    """Adam's step size, after ``warmup_steps`` and before the last quarter of the steps."""
    final_rate: float = 0.02
    """Share of the step size to which it falls over the last quarter of the steps."""
    warmup_steps: int = 200
    """Number of steps over which the step size rises: at first Adam does not know the gradients."""
    max_gradient_norm: float = 1.0
    """Largest norm of a gradient; longer ones are cut to it, or else training breaks down."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is kept."""
    lines: tuple[int, ...] = (1, 2, 2, 2, 2, 2, 3, 3, 4)
    """Numbers of lines that a batch may have, each equally likely."""


class School:
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
        self.config, self.teacher = config, teacher
        self.simulator, self.policy = simulator, policy
        self.device = next(policy.parameters()).device
        self.step = 0
        self.optimiser = torch.optim.Adam(policy.parameters(), betas=(0.9, 0.99))
        self.average = {name: value.clone() for name, value in policy.state_dict().items()}

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
        self.optimiser.zero_grad()
        lesson.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            self.policy.parameters(), self.config.max_gradient_norm
        )
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._rate()
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
        self._update_average()
        return lesson

    def _rate(self) -> float:
        """Return the share of the step size: it rises at first, and falls over the last quarter."""
        up = min(1.0, self.step / self.config.warmup_steps)
        left = (self.config.steps - self.step) / (0.25 * self.config.steps)
        down = self.config.final_rate + (1 - self.config.final_rate) * min(1.0, max(left, 0.0))
        return up * down

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the weights."""
        # It forgets faster at first, or else it would keep the random start weights.
        decay = min(self.config.average, 1 - 10 / (self.step + 10))
        for name, value in self.policy.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

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
