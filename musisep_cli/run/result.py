"""Result of one seed: what its method ended in, and what the run knows besides.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

from musisep_cli.methods.method import Result, StepReport


@dataclass(frozen=True, kw_only=True)
class SeedResult(Result):
    """One seed's separation.

    Attributes:
        seed: number of the seed.
        curve: training curve, means over stretches of steps; empty without training.
        wall_s: time that the seed took, in s.
    """

    seed: int
    curve: tuple[StepReport, ...]
    wall_s: float

    @property
    def n_skipped(self) -> int:
        """Return the number of training steps that were not finite and so not applied."""
        return self.curve[-1].n_skipped if self.curve else 0
