"""`musisep inspect`: what a sound file is, and what a separation found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT...",
            help="Sound files, folders of finished separations, dictionary.json files,"
            " instruments: the names that separate --instrument knows, or env: the versions and"
            " devices of this machine, for a bug report.",
        ),
    ],
    plots: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write pictures there: of a separation its training curves, dictionary and pitch,"
            " of a sound file its spectrogram.",
        ),
    ] = None,
    notes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write the notes that a separation found as CSV: stem, onset, offset, pitch with"
            " cents, level.",
        ),
    ] = None,
    midi: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write them as MIDI: a track per instrument, cents as pitch bend.",
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            metavar="",
            help="Write listen.html into the folder of a separation: a page to hear it with.",
        ),
    ] = False,
    all_seeds: Annotated[
        bool,
        typer.Option(
            "--all-seeds",
            metavar="",
            help="With --page: all seeds can be heard there, not only the chosen one.",
        ),
    ] = False,
    instruments: Annotated[
        int,
        typer.Option(
            "--instruments",
            "-n",
            metavar="N",
            min=1,
            max=16,
            help="For a sound file: the number of instruments that the estimate of time and memory"
            " is for.",
        ),
    ] = 2,
    device: Annotated[
        str,
        typer.Option("--device", "-d", metavar="DEVICE", help="The device that it is for."),
    ] = "auto",
    no_estimate: Annotated[
        bool,
        typer.Option(
            "--no-estimate",
            metavar="",
            help="Skip the estimate of time and memory, which takes some seconds.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print JSON, a line for every WHAT.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", metavar="", help="No messages but errors on stderr."),
    ] = False,
) -> None:
    """Show what a recording is, or what a separation found and why it was chosen.

    Of a recording: rate, length, level, clipping and silence; whether it sounds like a few melodic
    lines; how long its separation takes on this machine. Of a separation: its seeds, dictionary,
    pitch ranges, levels and what is left in the residual.

    Results go to stdout, messages to stderr; exit code 1: something could not be inspected.
    """
    # Imported here, so that the help does not wait for PyTorch.
    from musisep_cli.cli.inspect.job import Job
    from musisep_cli.cli.inspect.report import Reporter
    from musisep_cli.cli.inspect.run import run
    from musisep_cli.errors import ConfigError, MusisepError

    reporter = Reporter(as_json=as_json, quiet=quiet)
    job = Job(
        what=tuple(what),
        plots=plots,
        notes=notes,
        midi=midi,
        page=page,
        all_seeds=all_seeds,
        n_instruments=instruments,
        device_name=device,
        with_estimate=not no_estimate,
    )
    try:
        exit_code = run(job, reporter)
    except MusisepError as error:
        reporter.error(str(error))
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from error
    raise typer.Exit(exit_code)
