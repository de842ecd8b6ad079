"""Times on the command line: seconds, or minutes and hours before a colon."""

from __future__ import annotations

import re

import typer

_CLOCK = re.compile(r"(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d{1,2}(?:[.,]\d*)?)")
_PLAIN = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+|inf|nan)(?:e[-+]?\d+)?", re.IGNORECASE)


def seconds(text: str) -> float:
    """Return the seconds that a text says, however it is written.

    >>> seconds("90"), seconds("1:30"), seconds("1:02:03.5"), seconds("90s"), seconds("0:07")
    (90.0, 90.0, 3723.5, 90.0, 7.0)

    Raises:
        typer.BadParameter: It says none.
    """
    stripped = text.strip()
    clock = _CLOCK.fullmatch(stripped)
    if clock and float(clock["seconds"].replace(",", ".")) < 60:
        within = float(clock["seconds"].replace(",", "."))
        return 3600.0 * int(clock["hours"] or 0) + 60.0 * int(clock["minutes"]) + within
    plain = stripped.removesuffix("s").strip()
    if _PLAIN.fullmatch(plain):
        return float(plain.replace(",", "."))
    raise typer.BadParameter(
        f"'{text}' is no time: give seconds (90 or 90.5), minutes and seconds (1:30) or hours too"
        " (1:02:03)."
    )
