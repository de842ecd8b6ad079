"""Results of an evaluation, and what their numbers mean.

A score is a number of dB, which may be infinite, or None where there is nothing to score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from musisep_cli.evaluation.metrics import MelodyScores, MultipitchScores

BssVersion = Literal["v2", "v3"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to evaluate."""

    bss: BssVersion = "v2"
    ceiling: bool = False
    align: bool = False
    strict: bool = False

    def definitions(self) -> dict[str, str | int]:
        """What every number of the result is."""
        texts: dict[str, str | int] = {"measure": f"BSS Eval {self.bss}"}
        if self.bss == "v2":
            texts |= {"filter_taps": 1, "distortion_allowed": "a gain, no mean removed"}
        else:
            texts |= {"filter_taps": 512, "distortion_allowed": "a filter, through mir_eval"}
        texts["length"] = "the whole recording at once, all channels as one signal"
        texts["assignment"] = "stems to references by the greatest total SIR"
        texts["mean"] = "of the dB over the scored references, then over the takes"
        texts["mix_sdr_db"] = "SDR of the unprocessed mixture, the floor"
        texts["sdr_improvement_db"] = "SDR minus that of the mixture"
        if self.ceiling:
            texts["ceiling_sdr_db"] = (
                "SDR of the ideal ratio mask, the ceiling of masking (magnitudes; Hann window of"
                " about 93 ms, hop of a quarter)"
            )
        if self.align:
            texts["alignment"] = "every stem shifted by its lag of at most 1 s"
        return texts


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Scores of a stem, or their means."""

    sdr_db: float | None = None
    sir_db: float | None = None
    sar_db: float | None = None
    mix_sdr_db: float | None = None
    sdr_improvement_db: float | None = None
    ceiling_sdr_db: float | None = None

    @classmethod
    def mean(cls, ratios: Iterable[Ratios]) -> Ratios:
        """Mean of every score over those that have it."""
        listed = list(ratios)
        names = [field.name for field in fields(cls)]
        return cls(**{name: mean_db(getattr(each, name) for each in listed) for name in names})


@dataclass(frozen=True, kw_only=True)
class ReferenceResult:
    """One reference and the stem assigned to it."""

    reference: str
    stem: str | None
    scores: Ratios
    lag_samples: int | None = None
    pitch: MelodyScores | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeResult:
    """One separation."""

    name: str
    sample_rate_hz: int
    n_samples: int
    n_channels: int
    references: tuple[ReferenceResult, ...]
    multipitch: MultipitchScores | None = None
    left_out: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    group: str | None = None
    seed: int | None = None

    @property
    def scored(self) -> tuple[ReferenceResult, ...]:
        """The references that have a score."""
        return tuple(each for each in self.references if each.scores.sdr_db is not None)

    @property
    def mean(self) -> Ratios:
        """Mean over the scored references."""
        return Ratios.mean(each.scores for each in self.scored)


@dataclass(frozen=True, kw_only=True)
class FailedTake:
    """One separation that could not be scored."""

    name: str
    error: str


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """Spread of the mean SDR over the seeds of one run."""

    take: str
    n_seeds: int
    mean_sdr_db: float | None
    std_sdr_db: float | None
    best_seed: int | None
    best_sdr_db: float | None
    worst_sdr_db: float | None
    chosen_seed: int | None
    chosen_sdr_db: float | None
    objectives: dict[int, float]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All takes."""

    options: Options
    takes: tuple[TakeResult, ...]
    failed: tuple[FailedTake, ...] = ()
    seeds: tuple[SeedSummary, ...] = ()

    @property
    def mean(self) -> Ratios:
        """Mean over the takes' means."""
        return Ratios.mean(take.mean for take in self.takes)


def mean_db(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are there; None without any, and where inf meets -inf.

    >>> mean_db([1.0, None, 2.0]), mean_db([math.inf, 1.0]), mean_db([math.inf, -math.inf])
    (1.5, inf, None)
    """
    present = [value for value in values if value is not None]
    if not present or {math.inf, -math.inf} <= set(present):
        return None
    return sum(present) / len(present)


def difference_db(value: float, base: float) -> float:
    """``value - base``, 0 for two equal infinities."""
    return 0.0 if value == base else value - base
