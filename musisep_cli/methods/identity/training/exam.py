"""Exam: how well a network extracts what it has not learned from.

Every question is a mixture and an excerpt; the score is the gain in SI-SDR over the mixture itself.

Axes: ``b`` questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.methods.identity.loss import si_sdr_db
from musisep_cli.methods.identity.network import Network
from musisep_cli.methods.identity.training.mixing import Mixer, Mixtures


@dataclass(frozen=True, kw_only=True)
class Exam:
    """What came of an exam."""

    gain_db: float
    """Mean gain in SI-SDR over the mixture where the instrument plays, in dB."""
    median_gain_db: float
    """Median of the same."""
    above_no_op: float
    """Share of these that are better than the mixture."""
    absent_db: float
    """Mean level of what comes out against the mixture where the instrument is absent, in dB."""
    right_one: float
    """Share of questions that come out nearer to their own target than to the other of the pair."""


FIRST_BATCH = 1_000_000_000
"""Exams draw batches that no training reaches."""


def questions(mixer: Mixer, n_batches: int) -> list[Mixtures]:
    """Return the questions of an exam, the same each time."""
    return [mixer.batch(FIRST_BATCH + number) for number in range(n_batches)]


@torch.no_grad()
def examine(network: Network, asked: Sequence[Mixtures]) -> Exam:
    """Return what a network scores."""
    device = next(network.parameters()).device
    gains, levels, right = [], [], []
    for batch in asked:
        mixture = torch.from_numpy(batch.mixture).to(device)
        target = torch.from_numpy(batch.target).to(device)
        identity = network.encoder(torch.from_numpy(batch.excerpt).to(device))
        estimate = network(mixture, identity)
        plays = target.square().sum(-1) > 0
        gain = si_sdr_db(reference=target, estimate=estimate) - si_sdr_db(
            reference=target, estimate=mixture
        )
        level = 10 * torch.log10(estimate.square().sum(-1) / mixture.square().sum(-1) + 1e-9)
        gains.append(gain[plays])
        levels.append(level[~plays])
        right.append(_right_ones(target, estimate, plays))
    return _summary(torch.cat(gains), torch.cat(levels), torch.cat(right))


def _right_ones(target: Tensor, estimate: Tensor, plays: Tensor) -> Tensor:
    """Return for each question of a pair that plays whether its own target is the nearer one."""
    swapped = target.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
    both = plays.unflatten(0, (-1, 2)).all(1, keepdim=True).expand(-1, 2).flatten()
    own = si_sdr_db(reference=target, estimate=estimate)
    other = si_sdr_db(reference=swapped, estimate=estimate)
    return (own > other)[both].float()


def _summary(gains: Tensor, levels: Tensor, right: Tensor) -> Exam:
    return Exam(
        gain_db=float(gains.mean()),
        median_gain_db=float(gains.median()),
        above_no_op=float((gains > 0).float().mean()),
        absent_db=float(levels.mean()) if len(levels) else float("nan"),
        right_one=float(right.mean()) if len(right) else float("nan"),
    )
