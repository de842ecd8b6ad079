"""`musisep evaluate`: its arguments and options, and where its result goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from musisep_cli.evaluation import Evaluation


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="STEMS [REFS]",
            exists=True,
            help="A folder of stems and a folder of references; the names of their files do not"
            " matter. With --refs: any number of folders, each a separation of its own, or files"
            " that together are one separation.",
        ),
    ],
    refs: Annotated[
        list[Path] | None,
        typer.Option(
            "--refs",
            "-r",
            exists=True,
            help="The references: a folder, or files (repeat the option). If the folder has a"
            " subfolder with the name of a separation, the references of that separation are taken"
            " from there.",
        ),
    ] = None,
    bss: Annotated[
        Literal["v2", "v3"],
        typer.Option(
            help="Version of BSS Eval: v2 allows a gain, as the figures of the paper do; v3 allows"
            " a filter of 512 taps, as in many older papers (slow, and it needs the whole"
            " recordings in memory)."
        ),
    ] = "v2",
    mix: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The unprocessed mixture, whose SDR is the floor. Default: the file named mix*"
            " among the references or the stems.",
        ),
    ] = None,
    ceiling: Annotated[
        bool,
        typer.Option("--ceiling", help="Also score the ideal ratio mask, the ceiling of masking."),
    ] = False,
    align: Annotated[
        bool,
        typer.Option("--align", help="Undo every stem's lag (up to 1 s) and drift."),
    ] = False,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Score every seed of a run and show their spread.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Fail if files would be resampled, padded, cut or mixed down."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, one line per reference.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no messages on stderr except errors.")
    ] = False,
) -> None:
    """Score separations against references: SDR, SIR, SAR, and pitch where there are annotations.

    Files in a folder whose names start with residual or mix are not taken as stems.

    Results go to stdout and messages to stderr. The exit code is 1 if something could not be
    scored.
    """
    if as_json + as_csv + as_markdown > 1:
        raise typer.BadParameter("choose one of --json, --csv and --markdown.")
    # Imported here, so that the help does not wait for numpy.
    from musisep_cli.cli.evaluate import report
    from musisep_cli.cli.output import Messages
    from musisep_cli.errors import ConfigError
    from musisep_cli.evaluation import Options, plan
    from musisep_cli.evaluation import evaluate as run

    messages = Messages(soft_wrap=True)
    try:
        requests, notices = plan(paths, refs or [], mix)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    options = Options(bss=bss, ceiling=ceiling, align=align, strict=strict)
    with _progress(messages, quiet=quiet) as on_take:
        result = run(requests, options, seeds=seeds, on_take=on_take)
    if not quiet:
        for notice in [*notices, *report.notices(result)]:
            messages.print(f"note: {notice}", markup=False)
    _show(result, as_json=as_json, as_csv=as_csv, as_markdown=as_markdown)
    for failed in result.failed:
        messages.print(f"error: {failed.name}: {failed.error}", markup=False, style="red")
    if result.failed:
        raise typer.Exit(1)


@contextmanager
def _progress(messages: Console, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Lend a function to call with the name of every take; a terminal shows it in a live line."""
    if quiet or not messages.is_terminal:
        yield lambda name: None
        return
    from rich.markup import escape

    with messages.status("scoring") as status:
        yield lambda name: status.update(f"scoring {escape(name)}")


def _show(result: Evaluation, *, as_json: bool, as_csv: bool, as_markdown: bool) -> None:
    """Print the result on stdout in one of four forms."""
    from musisep_cli.cli.evaluate import report, tables

    if as_json:
        typer.echo(report.to_json(result))
    elif as_csv:
        typer.echo(report.to_csv(result), nl=False)
    elif result.takes and as_markdown:
        typer.echo(tables.to_markdown(result))
    elif result.takes:
        tables.print_tables(result)
