"""Output: results on stdout, as a picture for people or as plain lines for files and pipes.

Messages go to stderr.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

PLAIN_WIDTH = 1000
"""Width where there is no terminal to ask: a table in a file is not folded."""


class Messages(Console):
    """Messages on stderr. Once nobody reads them any more, the work goes on without."""

    def __init__(self, **options: Any) -> None:
        super().__init__(stderr=True, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Say nothing more, where rich would end the program in the middle of its work."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nothing:
            # What is still in the stream's buffer has to go somewhere at the end of the program.
            os.dup2(nothing.fileno(), self.file.fileno())


def show(results: Console, what: str | RenderableType) -> None:
    """Print a line or a table."""
    if isinstance(what, str | Text):
        results.print(Text(what) if isinstance(what, str) else what, soft_wrap=True)
    elif results.is_terminal:
        results.print(what)
    else:
        plain = Console(file=io.StringIO(), width=PLAIN_WIDTH)
        with plain.capture() as capture:
            plain.print(what)
        typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
