"""`musisep choose`: another seed of a finished separation on top, by ear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from musisep_cli.run.folder.layout import RunFolder


def choose(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a finished separation.")
    ],
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="The seed that is to be on top.")
    ],
    names: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Names of its instruments, in its own order, which become those of their files.",
            show_default="instrument-1,instrument-2,...",
        ),
    ] = None,
    no_page: Annotated[
        bool,
        typer.Option("--no-page", metavar="", help="Write no new listen.html, and remove the old."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the result as JSON.")
    ] = False,
) -> None:
    """Put another seed of a separation on top: its stems, pictures, notes and names.

    Nothing is separated again: all of it lies in the seed's folder. The page listen.html, where all
    seeds can be heard, gives the whole command to copy.

    Results go to stdout, errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    # Imported here, so that the help does not wait for PyTorch.
    from musisep_cli.cli.output import Messages
    from musisep_cli.errors import ConfigError, InputError, MusisepError
    from musisep_cli.inspection.kinds import kind_of
    from musisep_cli.inspection.page.write import holds_all_seeds, write_page
    from musisep_cli.inspection.separation import read_separation
    from musisep_cli.run import by_hand
    from musisep_cli.run.folder.layout import PAGE

    try:
        kind, path = kind_of(str(run))
        if kind != "separation":
            raise InputError(f"{run}: is no folder of a separation. Give one.")
        read_separation(path)  # a damaged run is told of before anything is changed
        with_all_seeds = holds_all_seeds(path / PAGE)
        given = None if names is None else names.split(",")
        folder = by_hand.choose(path, seed, given)
        if not no_page:
            write_page(path, all_seeds=with_all_seeds)
    except MusisepError as error:
        from rich.text import Text

        Messages().print(Text(f"error: {error}", "red"), soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from error
    _show(folder, as_json=as_json)


def _show(folder: RunFolder, *, as_json: bool) -> None:
    """Print what is on top of a run's folder now."""
    from rich.console import Console
    from rich.text import Text

    from musisep_cli.cli.output import show
    from musisep_cli.cli.separate import tables
    from musisep_cli.run.folder import manifest as manifests

    manifest = manifests.read(folder) or {}
    if as_json:
        document = {
            "folder": str(folder.folder),
            "chosen_seed": manifest["chosen_seed"],
            "chosen_by": manifest["chosen_by"],
            "stems": tables.stems_to_json(folder, manifest),
            "files": tables.files_to_json(folder, manifest),
        }
        typer.echo(json.dumps(document))
        return
    console = Console(highlight=False)
    heading = f"seed {manifest['chosen_seed']}, {manifest['chosen_by']} -> {folder.folder}"
    show(console, Text(heading, "bold"))
    show(console, tables.stems(folder, manifest))
    if folder.page.is_file():
        show(console, Text(f"to hear it: {folder.page}"))
