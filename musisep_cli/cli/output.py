"""Output: results on stdout, drawn for a terminal or as plain lines for files and pipes.

Messages go to stderr.
"""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

PLAIN_WIDTH = 1000
"""Width in characters of tables that go into a file or a pipe, where nothing has to be folded."""


class Messages(Console):
    """A console for messages on stderr that falls silent when nobody reads it any more."""

    def __init__(self, **options: Any) -> None:
        super().__init__(stderr=True, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Print nothing more; rich would end the program in the middle of its work."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nothing:
            # At its end the program empties the stream's buffer, which must not fail either.
            os.dup2(nothing.fileno(), self.file.fileno())


def show(results: Console, what: str | RenderableType) -> None:
    """Print a line or a table on stdout.

    Args:
        results: the console of stdout.
        what: a line, which is never folded, or a table, which is folded for a terminal only.
    """
    if isinstance(what, str | Text):
        results.print(Text(what) if isinstance(what, str) else what, soft_wrap=True)
    elif results.is_terminal:
        results.print(what)
    else:
        # Of a file with the encoding of stdout: where that has no lines for tables, rich takes
        # hyphens.
        file = io.TextIOWrapper(io.BytesIO(), results.encoding, errors="backslashreplace")
        plain = Console(file=file, width=PLAIN_WIDTH)
        with plain.capture() as capture:
            plain.print(what)
        lines = (line.rstrip() for line in capture.get().splitlines())
        # Not typer.echo, which writes UTF-8 where the encoding is ASCII.
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def with_finite_numbers(value: object, *, stand_in: Callable[[float], object]) -> object:
    """Return a JSON value in which something else stands for numbers that are not finite.

    JSON has no NaN and no infinity, and other readers stop at them.

    Args:
        value: dicts, lists and tuples of any depth, numbers, texts and None.
        stand_in: called with every number that is not finite; its result takes the number's place.

    >>> with_finite_numbers({"a": [1.0, float("-inf")]}, stand_in=str)
    {'a': [1.0, '-inf']}
    >>> with_finite_numbers((float("nan"), 2), stand_in=lambda number: None)
    [None, 2]
    """
    if isinstance(value, dict):
        return {
            str(key): with_finite_numbers(inner, stand_in=stand_in) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_finite_numbers(inner, stand_in=stand_in) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return stand_in(value)
    return value
