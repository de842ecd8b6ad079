"""Proximal gradient iteration: the sources of the Beurling LASSO, whose measures never appear.

With the sources y_i = A_i' mu_i of all instruments (``patterns``) and

    R_i(y) = inf { |mu| : A_i' mu = y },

the Beurling LASSO is min 1/2 |sum_i y_i - b|^2 + alpha sum_i R_i(y_i), Eq. (1) written for the
sources. The conjugate of R_i is 0 on the set C_i = { p : A_i p in the ball }, infinite elsewhere;
for real measures the ball is |u| <= 1. So by Moreau's decomposition the proximal mapping is what
the projection onto C_i leaves over:

    prox_{c R_i}(z) = z - P_{c C_i}(z).                                                       (7)

The smooth term has the Lipschitz constant of its gradient N, the number of instruments:

    y_i <- prox_{alpha / N, R_i}(y_i - (sum_k y_k - b) / N).                                  (8)

The projection is found by alternating directions with multipliers d, a few steps for every one of
(8), u and d kept from one to the next:

    p = (1 + rho A' A)^-1 (z + rho A' (u - d)),  u = P_{c ball}(A p + d),  d <- d + A p - u.   (9)

Then z - p = A' (rho d): the measure comes out besides, mu = rho d.

It is exact, convex and slow, thousands of certificates for one frame: what ``sliding_frank_wolfe``
is measured against, and the way to sound of short signals (``phase_aware``).

Axes: ``i`` instruments, ``f`` places of the sources, ``s`` places of the measures; leading axes are
free, one problem each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from musisep_cli.methods.lasso.patterns import Patterns

Ball: TypeAlias = Callable[[Tensor, float], Tensor]
"""Projection of correlations ``[..., s]`` onto the ball of a radius."""


@dataclass(frozen=True, kw_only=True)
class ProximalConfig:
    """How long is iterated."""

    rho: float = 1.0
    """Weight of the multipliers in Eq. (9), for atoms of norm 1."""
    inner_steps: int = 5
    """Of Eq. (9) for every one of Eq. (8)."""
    max_steps: int = 5000
    """Of Eq. (8)."""
    tolerance: float = 1e-7
    """The iteration ends when no source changes by more, relative to the data's maximum."""


@dataclass
class Projection:
    """P_{c C}, Eq. (9), that goes on from where it was.

    Attributes:
        patterns: A.
        ball: projection of correlations.
        rho: weight of the multipliers.
        split: u, ``[..., s]``.
        multipliers: d, ``[..., s]``.
    """

    patterns: Patterns
    ball: Ball
    rho: float
    split: Tensor
    multipliers: Tensor

    @classmethod
    def of(cls, patterns: Patterns, ball: Ball, rho: float, like: Tensor) -> Projection:
        """Start at 0."""
        zeros = torch.zeros_like(patterns.correlate(like))
        return cls(patterns, ball, rho, zeros, zeros)

    @property
    def measure(self) -> Tensor:
        """Mu = rho d of what the projection left over, ``[..., s]``."""
        return self.rho * self.multipliers

    def __call__(self, point: Tensor, radius: float, n_steps: int) -> Tensor:
        """Return the point's projection, after some steps."""
        near = point
        for _ in range(n_steps):
            pull = self.patterns.spread(self.split - self.multipliers)
            near = self.patterns.solve(point + self.rho * pull, self.rho)
            found = self.patterns.correlate(near)
            self.split = self.ball(found + self.multipliers, radius)
            self.multipliers = self.multipliers + found - self.split
        return near


@dataclass(frozen=True)
class Sources:
    """The solution.

    Attributes:
        sources: y_i, ``[i, ..., f]``.
        measures: mu_i, one for every instrument, ``[..., s]``.
        n_steps: that were made.
    """

    sources: Tensor
    measures: list[Tensor]
    n_steps: int


def proximal_gradient(
    data: Tensor,
    instruments: Sequence[Patterns],
    alpha: float,
    *,
    ball: Callable[[int], Ball],
    config: ProximalConfig,
) -> Sources:
    """Return the sources with the least objective.

    Args:
        data: b, real or complex, ``[..., f]``.
        instruments: A_i.
        alpha: weight of the measures.
        ball: of each instrument, by its number.
        config: how long is iterated.
    """
    projections = [
        Projection.of(patterns, ball(i), config.rho, data) for i, patterns in enumerate(instruments)
    ]
    step = 1 / len(instruments)
    sources = torch.zeros_like(data).repeat(len(instruments), *[1] * data.ndim)
    least = config.tolerance * float(data.abs().max())
    n_steps, change = 0, math.inf
    while n_steps < config.max_steps and change > least:
        points = sources - step * (sources.sum(0) - data)
        moved = torch.stack(
            [
                point - project(point, step * alpha, config.inner_steps)  # Eqs. (7), (8)
                for point, project in zip(points, projections, strict=True)
            ]
        )
        change = float((moved - sources).abs().max())
        sources, n_steps = moved, n_steps + 1
    return Sources(sources, [project.measure for project in projections], n_steps)


def interval(correlations: Tensor, radius: float) -> Tensor:
    """The ball of real measures, |u| <= radius."""
    return correlations.clamp(-radius, radius)


def half_line(correlations: Tensor, radius: float) -> Tensor:
    """The ball of non-negative measures, u <= radius."""
    return correlations.clamp_max(radius)


def duality_gap(
    data: Tensor, sources: Tensor, mass: Tensor, highest: Tensor, alpha: float
) -> Tensor:
    """Return how far the objective may be from its minimum, ``[...]``; never below 0.

    With p = b - sum_i y_i and p' = p min(1, alpha / max q), which no certificate forbids,

        gap = 1/2 |p|^2 + alpha |mu| - (<b, p'> - 1/2 |p'|^2).

    Args:
        data: b, ``[..., f]``.
        sources: y_i, ``[i, ..., f]``.
        mass: |mu|, summed over the instruments, ``[...]``.
        highest: max q of p over all instruments and places, ``[...]``.
        alpha: weight.
    """
    rest = data - sources.sum(0)
    allowed = rest * (alpha / highest.clamp_min(1e-30)).clamp_max(1.0)[..., None]
    primal = _square(rest) / 2 + alpha * mass
    dual = (data.conj() * allowed).real.sum(-1) - _square(allowed) / 2
    gap: Tensor = primal - dual
    return gap


def _square(values: Tensor) -> Tensor:
    return values.abs().square().sum(-1)
