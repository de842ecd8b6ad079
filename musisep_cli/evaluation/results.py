"""Results: the scores of an evaluation, and what its numbers mean.

A score is in dB and may be infinite; it is None where there is nothing to score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from musisep_cli.evaluation.metrics import MelodyScores, MultipitchScores

BssVersion = Literal["v2", "v3"]
"""Version of BSS Eval: a gain (v2) or a filter (v3) is the allowed distortion."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How takes are evaluated."""

    bss: BssVersion = "v2"
    """Version of BSS Eval that gives SDR, SIR and SAR; v2 is the paper's."""
    ceiling: bool = False
    """Whether to score the ideal ratio mask too, the ceiling of masking."""
    align: bool = False
    """Whether to shift every stem by its lag before it is scored."""
    strict: bool = False
    """Whether a file that would be resampled, padded, cut or mixed down is an error."""

    def definitions(self) -> dict[str, str | int]:
        """Return for every number of the result how it is defined, in words or as a number."""
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
            texts["alignment"] = "every stem without its lag of at most 1 s and its drift"
        return texts


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Scores of one stem in dB, or the means of several."""

    sdr_db: float | None = None
    """Signal-to-distortion ratio: target over everything else."""
    sir_db: float | None = None
    """Signal-to-interference ratio: target over sound of the other references."""
    sar_db: float | None = None
    """Signal-to-artifacts ratio: sound of any reference over sound of none."""
    mix_sdr_db: float | None = None
    """SDR of the unprocessed mixture against the same reference."""
    sdr_improvement_db: float | None = None
    """SDR minus that of the mixture."""
    ceiling_sdr_db: float | None = None
    """SDR of the ideal ratio mask."""

    @classmethod
    def mean(cls, ratios: Iterable[Ratios]) -> Ratios:
        """Return the mean of every score over those stems that have it."""
        listed = list(ratios)
        names = [field.name for field in fields(cls)]
        return cls(**{name: mean_db(getattr(each, name) for each in listed) for name in names})


@dataclass(frozen=True, kw_only=True)
class ReferenceResult:
    """One reference, the stem that is assigned to it, and the scores of that stem.

    Attributes:
        reference: name of the reference.
        stem: name of the stem; None if none is assigned.
        scores: ratios in dB, all None if the stem could not be scored.
        lag_samples: by how many samples the stem is late; None if it was not scored.
        pitch: scores of its pitch track, if both are known.
        note: why there is no score, empty if there is one.
    """

    reference: str
    stem: str | None
    scores: Ratios
    lag_samples: float | None = None
    drift_ppm: float | None = None
    pitch: MelodyScores | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeResult:
    """The scores of one take.

    Attributes:
        name: name of the take.
        sample_rate_hz: sample rate at which it was scored.
        n_samples: length at that rate.
        n_channels: number of channels.
        references: one result per reference.
        multipitch: scores of all pitch tracks together, if all references are annotated.
        left_out: files that were found and not scored, in words.
        notices: what the user should know of the scores.
        group: name of the run, if the take is one of its seeds.
        seed: number of that seed.
    """

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
        """Return the results that have a score."""
        return tuple(each for each in self.references if each.scores.sdr_db is not None)

    @property
    def mean(self) -> Ratios:
        """Return the means over the scored references."""
        return Ratios.mean(each.scores for each in self.scored)


@dataclass(frozen=True, kw_only=True)
class FailedTake:
    """A take that could not be scored: its name, and the message of the error."""

    name: str
    error: str


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """Spread of the mean SDR over the seeds of one run.

    Attributes:
        take: name of the run.
        n_seeds: number of scored seeds.
        mean_sdr_db: mean over the seeds.
        std_sdr_db: standard deviation over the seeds with a finite SDR; None for fewer than two.
        best_seed: the seed with the highest SDR.
        best_sdr_db: its SDR.
        worst_sdr_db: lowest SDR of all.
        chosen_seed: the seed that the run chose without references; None if that is not known.
        chosen_sdr_db: its SDR.
        objectives: every seed to its objective, by which the run chose, the best first.
    """

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
    """The result of an evaluation.

    Attributes:
        options: how the takes were evaluated.
        takes: scores of the takes, in order.
        failed: takes that could not be scored.
        seeds: spread over the seeds of every run, if seeds were asked for.
    """

    options: Options
    takes: tuple[TakeResult, ...]
    failed: tuple[FailedTake, ...] = ()
    seeds: tuple[SeedSummary, ...] = ()

    @property
    def mean(self) -> Ratios:
        """Return the means over the means of the takes."""
        return Ratios.mean(take.mean for take in self.takes)


def mean_db(values: Iterable[float | None]) -> float | None:
    """Return the mean of those values that are not None.

    Returns:
        The mean; None if there is no value, or if both inf and -inf are among them.

    >>> mean_db([1.0, None, 2.0]), mean_db([math.inf, 1.0]), mean_db([math.inf, -math.inf])
    (1.5, inf, None)
    """
    present = [value for value in values if value is not None]
    if not present or {math.inf, -math.inf} <= set(present):
        return None
    return sum(present) / len(present)


def difference_db(value: float, base: float) -> float:
    """Return ``value - base``, which is 0 for two equal infinities.

    >>> difference_db(3.0, 1.0), difference_db(math.inf, math.inf)
    (2.0, 0.0)
    """
    return 0.0 if value == base else value - base
