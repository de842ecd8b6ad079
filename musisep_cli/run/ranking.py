"""Ranking: many seeds, one of them chosen blind (paper, Section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from musisep_cli.errors import MusisepError
from musisep_cli.run.result import SeedResult
from musisep_cli.sound.blockwise import Stems, extremes

CRITERION = "chosen blind: lowest objective over all frames"
"""Of Eq. 21; no references are seen."""


@dataclass(frozen=True)
class SeedScore:
    """One row of the ranking; the objective is infinite if a seed ended with such numbers."""

    seed: int
    objective: float
    wall_s: float
    n_skipped: int


def score(result: SeedResult) -> SeedScore:
    """The result's row: without finite numbers everywhere it is nothing to choose."""
    finite = all(map(math.isfinite, (result.objective, *_extremes(result.stems))))
    objective = result.objective if finite else math.inf
    return SeedScore(result.seed, objective, result.wall_s, result.n_skipped)


def _extremes(stems: Stems) -> Iterator[float]:
    for stem in stems:
        yield from extremes(stem)


def place(row: SeedScore) -> tuple[float, int]:
    """Lower is better; equal objectives go to the lower seed, whichever was done first."""
    return row.objective, row.seed


def best_first(scores: Iterable[SeedScore]) -> list[SeedScore]:
    """All seeds, the chosen one first.

    Raises:
        MusisepError: no seed ended with finite numbers.

    >>> [row.seed for row in best_first([SeedScore(0, 0.7, 9.0, 0), SeedScore(1, 0.5, 9.0, 0)])]
    [1, 0]
    """
    ranking = sorted(scores, key=place)
    if not math.isfinite(ranking[0].objective):
        raise MusisepError(
            "no seed ended with finite numbers; please report this with the recording and settings"
        )
    return ranking
