"""Report of an evaluation for programs: JSON and CSV; and its notices in words."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

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
    "raw_pitch_accuracy",
    "raw_chroma_accuracy",
    "voicing_recall",
    "voicing_false_alarm",
    "overall_accuracy",
    "note",
)


def to_json(result: Evaluation) -> str:
    """The whole result; an infinite number is the string "inf" or "-inf", a missing one null."""
    document = {
        "definitions": result.options.definitions(),
        "takes": [_take(take) for take in result.takes],
        "mean": asdict(result.mean),
        "seeds": [_seeds(summary) for summary in result.seeds],
        "failed": [asdict(failed) for failed in result.failed],
    }
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _take(take: TakeResult) -> dict[str, object]:
    """One take with its means."""
    document = asdict(take)
    document["mean"] = asdict(take.mean)
    document["mean_over"] = f"{len(take.scored)} of {len(take.references)} references"
    return document


def _seeds(summary: SeedSummary) -> dict[str, object]:
    """Spread over the seeds, with the ranking as a list."""
    document = asdict(summary)
    document["objectives"] = [
        {"seed": seed, "objective": objective} for seed, objective in summary.objectives.items()
    ]
    return document


def _finite(value: object) -> object:
    """The value with infinities as strings: JSON has no such number."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return value


def to_csv(result: Evaluation) -> str:
    """A line per reference, without means; empty where there is nothing."""
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
    """One reference in flat form."""
    flat = asdict(each)
    for group in ("scores", "pitch"):
        flat |= flat.pop(group) or {}
    return flat


def notices(result: Evaluation) -> list[str]:
    """What to tell the user: of one take with its name, of several once for all of them."""
    takes_of: dict[str, list[str]] = {}
    for take in result.takes:
        left_out = f"not scored as stems or references: {', '.join(take.left_out)}."
        for notice in ([left_out] if take.left_out else []) + list(take.notices):
            takes_of.setdefault(notice, []).append(take.name)
    return [
        f"{names[0]}: {notice}" if len(names) == 1 < len(result.takes) else notice
        for notice, names in takes_of.items()
    ]
