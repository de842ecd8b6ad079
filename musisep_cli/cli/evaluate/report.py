"""Report of an evaluation: for programs as JSON and CSV, and its notices for people."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from musisep_cli.cli.output import with_finite_numbers

if TYPE_CHECKING:
    from musisep_cli.evaluation import Evaluation
    from musisep_cli.evaluation.results import ReferenceResult, SeedSummary, TakeResult

CSV_COLUMNS = (
    "take",
    "seed",
    "reference",
    "stem",
    "bss_eval",
    "filter_taps",
    "sdr_db",
    "sir_db",
    "sar_db",
    "mix_sdr_db",
    "sdr_improvement_db",
    "ceiling_sdr_db",
    "lag_samples",
    "drift_ppm",
    "raw_pitch_accuracy",
    "raw_chroma_accuracy",
    "voicing_recall",
    "voicing_false_alarm",
    "overall_accuracy",
    "note",
)
"""Columns of the CSV: a line says which take, which reference and stem, and all their scores."""


def to_json(result: Evaluation) -> str:
    """Return the whole result as JSON.

    An infinite score becomes the text "inf" or "-inf", since JSON has no such number; a missing
    score becomes null.
    """
    document = {
        "definitions": result.options.definitions(),
        "takes": [_take(take) for take in result.takes],
        "mean": asdict(result.mean),
        "seeds": [_seeds(summary) for summary in result.seeds],
        "failed": [asdict(failed) for failed in result.failed],
    }
    return json.dumps(with_finite_numbers(document, stand_in=str), indent=2, allow_nan=False)


def _take(take: TakeResult) -> dict[str, object]:
    """Return one take with its means as a JSON object."""
    document = asdict(take)
    document["mean"] = asdict(take.mean)
    document["mean_over"] = f"{len(take.scored)} of {len(take.references)} references"
    return document


def _seeds(summary: SeedSummary) -> dict[str, object]:
    """Return the spread over the seeds of a run as a JSON object, its ranking as a list."""
    document = asdict(summary)
    document["objectives"] = [
        {"seed": seed, "objective": objective} for seed, objective in summary.objectives.items()
    ]
    return document


def to_csv(result: Evaluation) -> str:
    """Return a CSV with one line per reference and no means; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    definitions = result.options.definitions()
    common = {"bss_eval": result.options.bss, "filter_taps": definitions["filter_taps"]}
    for take in result.takes:
        place = {"take": take.group or take.name, "seed": take.seed}
        writer.writerows(place | common | _line(each) for each in take.references)
    return text.getvalue()


def _line(each: ReferenceResult) -> dict[str, object]:
    """Return the columns of one reference."""
    flat = asdict(each)
    for group in ("scores", "pitch"):
        flat |= flat.pop(group) or {}
    return flat


def notices(result: Evaluation) -> list[str]:
    """Return the notices for the user, each once.

    A notice of one take among several begins with the name of that take.
    """
    takes_of: dict[str, list[str]] = {}
    for take in result.takes:
        left_out = f"not scored as stems or references: {', '.join(take.left_out)}."
        for notice in ([left_out] if take.left_out else []) + list(take.notices):
            takes_of.setdefault(notice, []).append(take.name)
    return [
        f"{names[0]}: {notice}" if len(names) == 1 < len(result.takes) else notice
        for notice, names in takes_of.items()
    ]
