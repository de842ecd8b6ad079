"""Schooling: how a network learns, for every method that ships what its network has learned.

Adam's step size rises at first and falls over the last quarter of the steps. What is kept in the
end is a moving average of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


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
