"""School: the training loop, which goes on after an interruption as if there had been none.

    loss = mean extraction_loss + 0.1 cross entropy of the excerpt's identity among the rows    (1)

The second term pulls an excerpt's identity to the row of its class and away from the other rows.
Departs from the specification, which only pulls: with nothing to push, all identities may become
one. The identity given to the network is the excerpt's three times in four, else the row's.

Batch k is drawn from its number alone, so that a checkpoint holds no random state. Axes: ``b``
questions, ``t`` samples.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.machine.device import resolve_precision
from musisep_cli.methods.identity.loss import extraction_loss
from musisep_cli.methods.identity.network import Network
from musisep_cli.methods.identity.training.mixing import Mixer, Mixtures
from musisep_cli.methods.schooling import Course, RatesConfig


@dataclass(frozen=True, kw_only=True)
class SchoolConfig(RatesConfig):
    """Rates and budget."""

    steps: int = 40_000
    """Steps in all; the rate falls over the last quarter. More may be given when going on."""
    warmup_steps: int = 500
    """Steps over which the rate rises from nothing."""
    named: float = 0.25
    """Share of questions with a class that are asked by its row instead of the excerpt."""
    class_weight: float = 0.1
    """Weight of the cross entropy in Eq. (1), in decibels."""
    sharpness: float = 8.0
    """Factor on the cosines of excerpt and rows before the softmax."""


class School(Course[Mixtures]):
    """Trains a network, in place.

    Args:
        config: rates and budget.
        mixer: where the batches come from.
        network: what learns.
        seed: of the choice between rows and excerpts.
    """

    def __init__(self, config: SchoolConfig, mixer: Mixer, network: Network, seed: int) -> None:
        super().__init__(config, mixer, network, fused=True)
        self.config, self.network, self.seed = config, network, seed
        self.precision = resolve_precision("auto", self.device)

    def _loss(self, batch: Mixtures) -> Tensor:
        """Return the mean loss of a batch, Eq. (1)."""
        mixture, target, excerpt, row = (
            torch.from_numpy(values).to(self.device)
            for values in (batch.mixture, batch.target, batch.excerpt, batch.row)
        )
        with self._fast():
            heard = self.network.encoder(excerpt)
            estimate = self.network(mixture, self._asked(heard, row))
        errors = extraction_loss(reference=target, estimate=estimate, mixture=mixture)
        return errors.mean() + self.config.class_weight * self._confusion(heard, row)

    def _asked(self, heard: Tensor, row: Tensor) -> Tensor:
        """Return the identities ``[b, d]`` given to the network: heard, or the class's row."""
        drawn = np.random.default_rng([self.seed, self.step]).random(len(row))
        by_name = torch.from_numpy(drawn < self.config.named).to(row.device) & (row >= 0)
        return torch.where(by_name[:, None], self.network.named(row.clamp_min(0)), heard)

    def _confusion(self, heard: Tensor, row: Tensor) -> Tensor:
        """Return the cross entropy of the classes of excerpts that have one."""
        classes = functional.normalize(self.network.table, dim=-1)
        scores = self.config.sharpness * heard @ classes.T
        has_class = row >= 0
        total = functional.cross_entropy(scores[has_class], row[has_class], reduction="sum")
        return total / has_class.sum().clamp_min(1)

    def _fast(self) -> AbstractContextManager[None]:
        """Return the context in which products take bfloat16 where the processor multiplies it."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        )
