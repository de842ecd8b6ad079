"""Report of `musisep inspect`: results on stdout, messages on stderr; and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from musisep_cli.cli.inspect import tables
from musisep_cli.cli.inspect.job import DictionaryReport, Outcome, Report, SoundReport
from musisep_cli.cli.output import Messages, show
from musisep_cli.inspection.findings import Findings, Instrument, thinned


@dataclass
class Reporter:
    """Everything that the user sees.

    Attributes:
        as_json: results as JSON lines.
        quiet: results and errors only.
    """

    as_json: bool
    quiet: bool

    def __post_init__(self) -> None:
        self.messages = Messages()
        self.results = Console(highlight=False)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """On a terminal, say what takes a few seconds, while it does."""
        if self.quiet or not self.messages.is_terminal or self.messages.is_dumb_terminal:
            yield
            return
        with self.messages.status(Text(text)):
            yield

    def show(self, outcome: Outcome) -> None:
        """One argument's report, and what went wrong."""
        if self.as_json:
            typer.echo(json.dumps(to_json(outcome), allow_nan=False))
        elif outcome.report is not None:
            for part in tables.parts(outcome.report):
                show(self.results, part)
            show(self.results, "")
        if not self.quiet:
            for path in outcome.files:
                self.messages.print(Text(f"written: {path}"), soft_wrap=True)
        if outcome.error is not None:
            what = outcome.item.what
            named = outcome.error.startswith((what, str(outcome.item.path)))
            self.error(outcome.error if named else f"{what}: {outcome.error}")

    def error(self, text: str) -> None:
        """Something that the user has to change."""
        self.messages.print(Text(f"error: {text}", "red"), soft_wrap=True)


def to_json(outcome: Outcome) -> dict[str, Any]:
    """An argument as a JSON object; its files are those that exist."""
    document: dict[str, Any] = {"what": outcome.item.what, "kind": outcome.item.kind}
    if outcome.error is not None:
        document["error"] = outcome.error
    if outcome.report is not None:
        document |= _content(outcome.report)
    document["files"] = [str(path) for path in outcome.files]
    plain: dict[str, Any] = _finite(document)
    return plain


def _content(report: Report) -> dict[str, Any]:
    if isinstance(report, SoundReport):
        return {**asdict(report), "path": str(report.path), "warnings": report.warnings()}
    if isinstance(report, Findings):
        return _findings(report)
    if isinstance(report, DictionaryReport):
        return _dictionary(report)
    return report


def _dictionary(report: DictionaryReport) -> dict[str, Any]:
    n_harmonics, n_instruments = report.dictionary.shape
    return {
        "path": str(report.path),
        "n_instruments": n_instruments,
        "n_harmonics": n_harmonics,
        "instruments": report.dictionary.T.tolist(),
        "alike": tables.alike(report),
    }


def _findings(findings: Findings) -> dict[str, Any]:
    separation = findings.separation
    manifest = separation.manifest
    copied = ("input", "config", "device", "ranking", "gain", "sum_error", "wall_s")
    return {
        "folder": str(separation.folder),
        "version": manifest.get("version"),
        **{name: manifest[name] for name in copied},
        "choice": asdict(findings.choice),
        "instruments": [
            {**_instrument(each), **_column(separation.dictionary, number)}
            for number, each in enumerate(findings.instruments)
        ],
        "residual": separation.residual,
        "alike": findings.alike,
        "missed_share": None if findings.missed is None else findings.missed.share,
        "curves": [
            {"seed": seed, "rows": thinned(curve)} for seed, curve in separation.curves.items()
        ],
        "warnings": findings.warnings(),
    }


def _column(dictionary: NDArray[np.float32] | None, number: int) -> dict[str, Any]:
    """Return an instrument's column of the dictionary ``[h, i]``, if one was learned."""
    return {} if dictionary is None else {"dictionary": dictionary[:, number].tolist()}


def _instrument(instrument: Instrument) -> dict[str, Any]:
    """One instrument, its notes counted."""
    document = asdict(instrument)
    document["n_notes"] = len(document.pop("notes"))
    for name in ("lowest", "highest"):
        note = getattr(instrument, name)
        document[name] = note and {"note": note.name, "f0_hz": note.f0_hz}
    return document


def _finite(value: Any) -> Any:
    """The value with null for what is not finite: JSON has no such number."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
