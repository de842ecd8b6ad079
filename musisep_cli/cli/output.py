"""Output: results on stdout, as a picture for people or as plain lines for files and pipes."""

from __future__ import annotations

import io

import typer
from rich.console import Console, RenderableType
from rich.text import Text

PLAIN_WIDTH = 200
"""Width where there is no terminal to ask: a table in a file is not folded."""


def show(results: Console, what: str | RenderableType) -> None:
    """Print a line or a table."""
    if isinstance(what, str):
        results.print(Text(what), soft_wrap=True)
    elif results.is_terminal:
        results.print(what)
    else:
        plain = Console(file=io.StringIO(), width=PLAIN_WIDTH)
        with plain.capture() as capture:
            plain.print(what)
        typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
