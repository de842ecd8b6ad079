"""Likes of `musisep separate`: what --like and --instrument ask for, as settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from musisep_cli.cli.seconds import seconds


def asked_for(
    likes: Sequence[str], instruments: Sequence[str], *, others: bool
) -> dict[str, Any] | None:
    """Return the settings of ``[like]`` that flags ask for; None if they ask for nobody.

    Args:
        likes: values of --like.
        instruments: values of --instrument.
        others: whether the other instruments get stems too.

    Raises:
        BadParameter: a value of --like is not of its form.

    >>> asked_for(["violin=@0:12-0:20"], ["double bass"], others=False)["times"]
    ['12.0-20.0', '']
    """
    entries = [_entry(text) for text in likes]
    entries += [(name.strip().replace(" ", "-"), "", "") for name in instruments]
    if not entries:
        return None
    names, files, times = (list(column) for column in zip(*entries, strict=True))
    return {"names": names, "files": files, "times": times, "others": others}


def _entry(text: str) -> tuple[str, str, str]:
    """Return name, file and time of a value of --like.

    Raises:
        BadParameter: it is not of the form NAME=FILE or NAME=@FROM-TO.
    """
    name, _, source = text.partition("=")
    if not name.strip() or not source.strip():
        raise typer.BadParameter(
            f"'{text}' is not of the form NAME=FILE or NAME=@0:12-0:20; by a name alone it is "
            f"--instrument {text or 'violin'}."
        )
    if not source.startswith("@"):
        return name.strip(), str(Path(source).absolute()), ""
    start, sign, stop = source.removeprefix("@").partition("-")
    if not sign:
        raise typer.BadParameter(f"'{source}' is no time range: give FROM-TO, as @0:12-0:20.")
    return name.strip(), "", f"{seconds(start)}-{seconds(stop)}"
