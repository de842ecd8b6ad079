"""What is typed as other programs want it: a line that says how it is done here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from musisep_cli.sound.suffixes import SUFFIXES

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_COUNT = "the number of instruments is given as -n, for example -n 2"
_FOLDER = "the output folder is given as -o, for example -o stems/"
_OPTIONS = {
    "--stems": _COUNT,
    "--n-stems": _COUNT,
    "--num-stems": _COUNT,
    "--sources": _COUNT,
    "--n-sources": _COUNT,
    "--num-sources": _COUNT,
    "--n-instruments": _COUNT,
    "--speakers": _COUNT,
    "--two-stems": "-n 2 makes two stems; which is which shows when they are heard",
    "--output": _FOLDER,
    "--output-dir": _FOLDER,
    "--output_dir": _FOLDER,
    "--outdir": _FOLDER,
    "--model": "there are no models to choose: a preset is, with --preset",
    "--name": "there are no models to choose: a preset is, with --preset",
    "--mp3": "stems are written as WAV or, with --flac, as FLAC",
    "--end": "how much is separated is given as --duration, from --start on",
}
"""Options of other programs, and what to give instead."""


class Command(TyperCommand):
    """A command that knows what users of other programs type."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, after a look for what is foreign here."""
        known = {name for parameter in self.params for name in parameter.opts}
        for argument in args[: args.index("--")] if "--" in args else args:
            option = argument.partition("=")[0]
            if argument == "-":
                ctx.fail("'-' (the standard input) is not read: save the sound to a file first.")
            if _ADDRESS.match(argument):
                ctx.fail(f"'{argument}' is an address, and nothing is fetched: download it first.")
            if option in _OPTIONS and option not in known and "--instruments" in known:
                ctx.fail(f"there is no {option}: {_OPTIONS[option]}.")
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """The commands, with a word for who leaves their name out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0].startswith("-") and args[0] not in own:
            ctx.fail(f"{args[0]} stands before the command: musisep separate INPUTS... -n 2")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is meant."""
        name = args[0] if args else ""
        if name not in self.commands and _is_recording(name):
            ctx.fail(f"'{name}' is no command. To separate it: musisep separate {' '.join(args)}")
        return super().resolve_command(ctx, args)


def _is_recording(name: str) -> bool:
    """Whether a word is a file or a folder, or looks like one."""
    is_there = "/" in name or Path(name).exists()
    return is_there or name == "-" or Path(name).suffix.lower() in SUFFIXES
