"""Curve: held-out quality against steps, in a CSV file that grows as training goes on."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

from musisep_cli.machine.files import write_text_atomic


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """What an exam found."""

    step: int
    """Steps until then."""
    cpu_s: float
    """CPU time of the program that took the last of them since it was started, in seconds."""
    loss: float
    """Mean loss of the steps since the last exam."""
    gain_db: float
    """Mean SI-SDR gain over the mixture on held-out instruments, in dB."""
    median_gain_db: float
    """Median of the same."""
    above_no_op: float
    """Share of questions that come out better than the mixture."""
    absent_db: float
    """Level of what comes out for absent instruments against the mixture, in dB."""
    right_one: float
    """Share of questions that are nearest to their own target."""


NAMES = tuple(CurveRow.__annotations__)


def append(path: Path, row: CurveRow) -> None:
    """Add a row to the file; a new file begins with the names of its columns."""
    rows = [*_rows(path), _text(row)]
    _write(path, rows)


def cut(path: Path, step: int) -> None:
    """Drop what was found after a step: it will be found again."""
    if path.exists():
        _write(path, [row for row in _rows(path) if int(row[0]) <= step])


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def _text(row: CurveRow) -> list[str]:
    values = asdict(row)
    return [str(values["step"]), *(f"{values[name]:.4g}" for name in NAMES[1:])]


def _write(path: Path, rows: list[list[str]]) -> None:
    write_text_atomic(path, "".join(",".join(row) + "\n" for row in [list(NAMES), *rows]))
