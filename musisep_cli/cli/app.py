"""The console script: all commands under one name."""

from __future__ import annotations

from typing import Annotated

import typer

from musisep_cli import __version__
from musisep_cli.cli.characters import take_plain_characters
from musisep_cli.cli.choose.command import choose
from musisep_cli.cli.evaluate.command import evaluate
from musisep_cli.cli.hints import Command, Group
from musisep_cli.cli.inspect.command import inspect
from musisep_cli.cli.separate.command import separate
from musisep_cli.machine.process import keep_freed_memory, wait_briefly

app = typer.Typer(
    name="musisep",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug keeps its own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _unfolded(text: str) -> str:
    """Return a docstring with every paragraph in one line, to be folded to a terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _show_version(wanted: bool) -> None:
    """Print the version and end the program, if that is wanted."""
    if wanted:
        typer.echo(f"musisep {__version__}")
        raise typer.Exit


@app.callback()
def musisep(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            is_eager=True,
            callback=_show_version,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Separate a recording into its melodic instruments: blind, without training data, offline."""


for _command in (separate, evaluate, inspect, choose):
    app.command(help=_unfolded(_command.__doc__ or ""), cls=Command)(_command)


def main() -> None:
    """Run the command that the command line names: the entry point of the console script."""
    take_plain_characters()
    wait_briefly()
    keep_freed_memory()
    app()
