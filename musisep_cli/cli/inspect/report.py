"""Report of `musisep inspect`: results on stdout, messages on stderr; and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from musisep_cli.cli.inspect import tables
from musisep_cli.cli.inspect.job import (
    DictionaryReport,
    InstrumentsReport,
    Outcome,
    Report,
    SoundReport,
)
from musisep_cli.cli.output import Messages, show, with_finite_numbers
from musisep_cli.inspection.findings import Findings, Instrument, thinned


@dataclass
class Reporter:
    """Print everything that a user of `musisep inspect` sees.

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
        """Show a text on the terminal for as long as the block below runs; elsewhere nothing."""
        if self.quiet or not self.messages.is_terminal or self.messages.is_dumb_terminal:
            yield
            return
        with self.messages.status(Text(text)):
            yield

    def show(self, outcome: Outcome) -> None:
        """Print the report on one argument, the files written for it, and its error if any."""
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
        """Print an error in red: something that the user has to change."""
        self.messages.print(Text(f"error: {text}", "red"), soft_wrap=True)


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of one argument as a JSON object.

    Of files it names those that were written; numbers that are not finite become null.
    """
    document: dict[str, Any] = {"what": outcome.item.what, "kind": outcome.item.kind}
    if outcome.error is not None:
        document["error"] = outcome.error
    if outcome.report is not None:
        document |= _content(outcome.report)
    document["files"] = [str(path) for path in outcome.files]
    plain = with_finite_numbers(document, stand_in=lambda number: None)
    return cast(dict[str, Any], plain)


def _content(report: Report) -> dict[str, Any]:
    """Return a report of any kind as JSON values."""
    if isinstance(report, SoundReport):
        return {**asdict(report), "path": str(report.path), "warnings": report.warnings()}
    if isinstance(report, Findings):
        return _findings(report)
    if isinstance(report, DictionaryReport):
        return _dictionary(report)
    if isinstance(report, InstrumentsReport):
        return {"instruments": list(report.names)}
    return report


def _dictionary(report: DictionaryReport) -> dict[str, Any]:
    """Return a dictionary as JSON values, one list of amplitudes per instrument."""
    n_harmonics, n_instruments = report.dictionary.shape
    return {
        "path": str(report.path),
        "n_instruments": n_instruments,
        "n_harmonics": n_harmonics,
        "instruments": report.dictionary.T.tolist(),
        "alike": tables.alike(report),
    }


def _findings(findings: Findings) -> dict[str, Any]:
    """Return what was found in a separation's folder as JSON values."""
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
        "likes": manifest.get("likes", []),
        "alike": findings.alike,
        "missed_share": None if findings.missed is None else findings.missed.share,
        "agreement": _agreement(findings),
        "curves": [
            {"seed": seed, "rows": thinned(curve)} for seed, curve in separation.curves.items()
        ],
        "warnings": findings.warnings(),
    }


def _agreement(findings: Findings) -> dict[str, Any] | None:
    """Return how far the seeds agree as JSON values, and where the chosen one is contradicted."""
    found, chosen = findings.agreement, findings.choice.seed
    if found is None:
        return None
    return {
        "share": found.share(chosen),
        "seeds": [{"seed": seed, "share": found.share(seed)} for seed in found.seeds],
        "doubts": [
            {"start_s": start_s, "end_s": end_s, "share": share}
            for start_s, end_s, share in found.doubts(chosen)
        ],
    }


def _column(dictionary: NDArray[np.float32] | None, number: int) -> dict[str, Any]:
    """Return an instrument's column of the dictionary ``[h, i]``, if one was learned."""
    return {} if dictionary is None else {"dictionary": dictionary[:, number].tolist()}


def _instrument(instrument: Instrument) -> dict[str, Any]:
    """Return one instrument as JSON values, with the number of its notes in place of them all."""
    document = asdict(instrument)
    document["n_notes"] = len(document.pop("notes"))
    for name in ("lowest", "highest"):
        note = getattr(instrument, name)
        document[name] = note and {"note": note.name, "f0_hz": note.f0_hz}
    return document
