"""Schooling: how a network learns, for every method that ships what its network has learned.

Adam's step size rises at first and falls over the last quarter of the steps. What is kept in the
end is a moving average of the weights.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from musisep_cli.errors import ConfigError
from musisep_cli.machine.files import atomic_path

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class RatesConfig:
    """Step sizes, and the average that is kept."""

    steps: int
    """Number of training steps."""
    warmup_steps: int
    """Number of steps over which the step size rises: at first Adam does not know the gradients."""
    learning_rate: float = 1e-3
    """Adam's step size, after ``warmup_steps`` and before the last quarter of the steps."""
    final_rate: float = 0.02
    """Share of the step size to which it falls over the last quarter of the steps."""
    max_gradient_norm: float = 1.0
    """Largest norm of a gradient; longer ones are cut to it, or else training breaks down."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is kept."""


class Schooling:
    """Trains a network, in place.

    Args:
        rates: step sizes and number of steps.
        network: what learns.
        fused: whether Adam takes one kernel for all weights: faster, and rounded otherwise.
    """

    def __init__(self, rates: RatesConfig, network: nn.Module, *, fused: bool = False) -> None:
        self.rates, self.pupil = rates, network
        self.device = next(network.parameters()).device
        self.step = 0
        self.optimiser = torch.optim.Adam(
            network.parameters(), betas=(0.9, 0.99), fused=fused or None
        )
        self.average = {name: value.clone() for name, value in network.state_dict().items()}

    def _improve(self, loss: Tensor) -> None:
        """Take a step down the gradient of a loss; one that is not finite is left out."""
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.pupil.parameters(), self.rates.max_gradient_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates.learning_rate * self._rate()
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
        self._update_average()

    def _rate(self) -> float:
        """Return the share of the step size: it rises at first, and falls over the last quarter."""
        up = min(1.0, self.step / self.rates.warmup_steps)
        left = (self.rates.steps - self.step) / (0.25 * self.rates.steps)
        down = self.rates.final_rate + (1 - self.rates.final_rate) * min(1.0, max(left, 0.0))
        return up * down

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the weights."""
        # It forgets faster at first, or else it would keep the random start weights.
        decay = min(self.rates.average, 1 - 10 / (self.step + 10))
        for name, value in self.pupil.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)


class Batches(Protocol[Batch_co]):
    """What is learned from: a batch follows from its number, so that no random state is kept."""

    def batch(self, number: int) -> Batch_co:
        """Return the batch of a number."""


class Course(Schooling, ABC, Generic[Batch]):
    """Trains a network on numbered batches, and goes on after an interruption as if without one.

    Args:
        rates: step sizes and number of steps.
        mixer: where the batches come from.
        network: what learns.
        fused: as of ``Schooling``.
    """

    def __init__(
        self, rates: RatesConfig, mixer: Batches[Batch], network: nn.Module, *, fused: bool = False
    ) -> None:
        super().__init__(rates, network, fused=fused)
        self.mixer = mixer

    @abstractmethod
    def _loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""

    def _learn(self, batch: Batch) -> float:
        """Take one step and return its loss."""
        loss = self._loss(batch)
        self._improve(loss)
        return float(loss.detach())

    def run(self) -> Iterator[float]:
        """Train to the end; yields the loss after every step."""
        while self.step < self.rates.steps:
            self.step += 1
            yield self._learn(self.mixer.batch(self.step))

    def train(
        self,
        checkpoint: Path,
        *,
        checkpoint_s: float,
        exam_steps: int,
        examine: Callable[[list[float]], None],
        stopped: Callable[[], bool],
        saved: Callable[[], None] = lambda: None,
    ) -> None:
        """Train to the end or until it is stopped, with exams and checkpoints on the way.

        Args:
            checkpoint: file for all that training changes.
            checkpoint_s: most seconds that a killed training has to repeat.
            exam_steps: steps between two exams; there is one at the end besides.
            examine: called with the losses since the last exam.
            stopped: whether to end here.
            saved: called after every checkpoint.
        """
        saved_s, losses = time.monotonic(), []
        for loss in self.run():
            losses.append(loss)
            last = self.step == self.rates.steps
            if self.step % exam_steps == 0 or last:
                examine(losses)
                losses = []
            if time.monotonic() - saved_s > checkpoint_s or last or stopped():
                self.save(checkpoint)
                saved_s = time.monotonic()
                saved()
            if stopped():
                return

    def save(self, path: Path) -> None:
        """Write all that training changes, for ``resume``."""
        state = {
            "step": self.step,
            "network": self.pupil.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a file of ``save``.

        Raises:
            ConfigError: it belongs to a network of another size.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        try:
            self.pupil.load_state_dict(state["network"])
        except RuntimeError as error:
            raise ConfigError(
                f"{path}: of a network of another size; give another folder with --out"
            ) from error
        self.step = int(state["step"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}
