"""Ranking: many seeds, one of them chosen blind (paper, Section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from musisep_cli.errors import MusisepError
from musisep_cli.run.result import SeedResult
from musisep_cli.sound.blockwise import Stems, extremes

CRITERION = "chosen blind: lowest objective over all frames"
"""How the chosen seed is chosen, in words for the manifest: by Eq. 21, without references."""

CRITERION_BY_HAND = "chosen by hand"
"""How a seed is chosen that a listener preferred."""


@dataclass(frozen=True)
class SeedScore:
    """One row of the ranking.

    Attributes:
        seed: number of the seed.
        method: name of the method that measured the objective.
        objective: the lower the better; infinite if the seed ended with non-finite numbers.
        wall_s: time that the seed took, in s.
        n_skipped: number of training steps that were not finite and so not applied.
    """

    seed: int
    method: str
    objective: float
    wall_s: float
    n_skipped: int


def score(result: SeedResult, method: str) -> SeedScore:
    """Return a result as a row of the ranking.

    With non-finite numbers in its stems or objective it ranks last, with an infinite objective.
    """
    finite = all(map(math.isfinite, (result.objective, *_extremes(result.stems))))
    objective = result.objective if finite else math.inf
    return SeedScore(result.seed, method, objective, result.wall_s, result.n_skipped)


def _extremes(stems: Stems) -> Iterator[float]:
    """Yield the least and the largest sample of every stem; not finite if any sample is not."""
    for stem in stems:
        yield from extremes(stem)


def place(row: SeedScore) -> tuple[float, int]:
    """Return the key by which seeds are ranked: the objective, then the seed's number.

    So the choice does not depend on which of two equal seeds was done first.
    """
    return row.objective, row.seed


def best_first(scores: Iterable[SeedScore]) -> list[SeedScore]:
    """Return all seeds, the chosen one first.

    Raises:
        MusisepError: no seed ended with finite numbers, or the seeds are of several methods, whose
            objectives cannot be compared.

    >>> rows = [SeedScore(0, "policy", 0.7, 9.0, 0), SeedScore(1, "policy", 0.5, 9.0, 0)]
    >>> [row.seed for row in best_first(rows)]
    [1, 0]
    """
    ranking = sorted(scores, key=place)
    methods = sorted({row.method for row in ranking})
    if len(methods) > 1:
        raise MusisepError(
            f"seeds of the methods {' and '.join(methods)} cannot be ranked with each other: their "
            "objectives measure different things. Give each method a folder of its own with --out."
        )
    if not math.isfinite(ranking[0].objective):
        raise MusisepError(
            "no seed ended with finite numbers; please report this with the recording and settings"
        )
    return ranking
