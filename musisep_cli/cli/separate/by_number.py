"""By number: recordings separated once for each of several numbers of instruments, and compared.

``-n 1,2,3`` is for who does not know how many instruments there are: each number has a folder of
its own, and a table says what each leaves over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from musisep_cli.cli.inputs import expand
from musisep_cli.cli.output import show
from musisep_cli.cli.separate.configure import n_lines
from musisep_cli.cli.separate.run import INTERRUPTED, run
from musisep_cli.errors import ConfigError, MusisepError
from musisep_cli.run.folder import manifest as manifests
from musisep_cli.run.folder.layout import METHOD, RESIDUAL, RunFolder
from musisep_cli.sound import audio_file

if TYPE_CHECKING:
    from musisep_cli.cli.separate.job import Job
    from musisep_cli.cli.separate.report import Reporter
    from musisep_cli.run.cluster.connection import Connection
    from musisep_cli.run.folder.differences import Manifest
    from musisep_cli.sound.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Explained:
    """How well so many instruments explain a recording.

    Attributes:
        instruments: how many.
        left_over: share of the recording's energy that is in no stem, 0 to 1.
        faintest: share of its energy that the faintest stem holds.
        objective: of the chosen seed, the less the better; None if it is not finite.
        folder: of the stems.
    """

    instruments: int
    left_over: float
    faintest: float
    objective: float | None
    folder: str

    @classmethod
    def of(cls, manifest: Manifest, folder: RunFolder) -> Explained:
        """Return what the manifest of a separation says of it."""
        shares = {stem["name"]: float(stem["energy_share"]) for stem in manifest["stems"]}
        left_over = shares.pop(RESIDUAL)
        chosen = {row["seed"]: row["objective"] for row in manifest["ranking"]}
        return cls(
            instruments=manifest["config"]["run"]["instruments"],
            left_over=left_over,
            faintest=min(shares[name] for name in folder.names(len(shares)) if name in shares),
            objective=chosen[manifest["chosen_seed"]],
            folder=str(folder.folder),
        )


def check(jobs: Sequence[Job]) -> None:
    """Refuse numbers of instruments that have no preset in common.

    Raises:
        ConfigError: their objectives could not be compared.
    """
    presets = {job.config.preset: job.config.run.instruments for job in jobs}
    if len(presets) > 1:
        words = " and ".join(f"{preset} for -n {number}" for preset, number in presets.items())
        raise ConfigError(
            f"several numbers after -n are compared, but the preset would be {words}: name one "
            "that serves all of them as --preset"
        )


def run_each(jobs: Sequence[Job], reporter: Reporter, connection: Connection | None) -> int:
    """Separate all inputs once for each number, compare several, and return the exit code.

    Args:
        jobs: the same job for every number.
        reporter: tells the user.
        connection: to the cluster on which they are separated; None for this machine.

    Raises:
        ConfigError: the numbers have no preset in common.
        MusisepError: nothing can be done at all.
    """
    if len(jobs) == 1:
        return run(jobs[0], reporter, connection)
    check(jobs)
    count = partial(n_lines, device=jobs[0].device)
    codes = []
    for job in jobs:
        codes.append(run(job, reporter, connection))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    if not jobs[0].dry_run:
        for source in expand(jobs[0].inputs, jobs[0].out / METHOD):
            found = _explained(jobs, source.track)
            if found:
                n_counted = _counted(jobs[0], source.path, count)
                _show(str(source.path), found, n_counted, as_json=reporter.as_json)
    return max(codes)


def _explained(jobs: Sequence[Job], track: str) -> list[Explained]:
    """Return how well a recording is explained by every number that it was separated for."""
    folders = [job.folder(track) for job in jobs]
    with_manifests = [(folder, manifests.read(folder)) for folder in folders]
    return [Explained.of(manifest, folder) for folder, manifest in with_manifests if manifest]


def _counted(job: Job, path: Path, count: Callable[[Recording], int]) -> int | None:
    """Return how many lines a recording speaks for; None if it cannot be read any more."""
    try:
        return count(audio_file.read(path, start_s=job.start_s, duration_s=job.duration_s))
    except MusisepError:
        return None


def _show(name: str, found: Sequence[Explained], n_lines: int | None, *, as_json: bool) -> None:
    """Print how well each number explains a recording, a line each."""
    if as_json:
        typer.echo(json.dumps(to_json(name, found, n_lines)))
        return
    results = Console(highlight=False)
    show(results, table(name, found, n_lines))
    if n_lines is not None:
        show(results, Text(f"{name}: speaks for {n_lines} line{'s' * (n_lines > 1)} (-n auto)"))


def to_json(name: str, found: Sequence[Explained], n_lines: int | None) -> dict[str, Any]:
    """Return the comparison as a JSON object."""
    return {"input": name, "lines": n_lines, "numbers": [asdict(each) for each in found]}


def table(name: str, found: Sequence[Explained], n_lines: int | None) -> Table:
    """Return a table of how well each number explains a recording, the counted one in bold."""
    listed = Table(title=Text(name, "bold"), title_justify="left", box=SIMPLE_HEAD)
    for column in ("-n", "left over", "faintest stem", "objective"):
        listed.add_column(column, justify="right", no_wrap=True)
    listed.add_column("where to", overflow="fold")
    for each in found:
        objective = "not finite" if each.objective is None else f"{each.objective:.4g}"
        row = [
            str(each.instruments),
            f"{each.left_over:.2%}",
            f"{each.faintest:.2%}",
            objective,
            each.folder,
        ]
        listed.add_row(*map(Text, row), style="bold" if each.instruments == n_lines else "")
    return listed
