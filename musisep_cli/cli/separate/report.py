"""Report of `musisep separate`: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from musisep_cli import __version__
from musisep_cli.cli.batch_progress import BatchBoard, BatchLines, Display, Silence
from musisep_cli.cli.output import Messages, show
from musisep_cli.cli.progress import show_progress
from musisep_cli.cli.separate import tables, warnings
from musisep_cli.inspection.estimate import Estimate, Measured
from musisep_cli.machine.device import describe
from musisep_cli.methods import registry
from musisep_cli.run.folder import made_seeds
from musisep_cli.sound.notation import channels_in_words, clock

if TYPE_CHECKING:
    from musisep_cli.cli.separate.job import Job, Outcome
    from musisep_cli.cli.separate.units import Looked
    from musisep_cli.methods.method import OnProgress
    from musisep_cli.run.folder.differences import Manifest
    from musisep_cli.run.folder.layout import RunFolder
    from musisep_cli.run.settings.config import Config
    from musisep_cli.sound.recording import Recording


@dataclass
class Reporter:
    """Print everything that a user of `musisep separate` sees.

    Attributes:
        quiet: results and errors only.
        verbose: all settings and more progress.
        as_json: results as JSON lines.
    """

    quiet: bool
    verbose: bool
    as_json: bool

    def __post_init__(self) -> None:
        self.messages = Messages()
        self.results = Console(highlight=False)
        self.number = self.n_done = 0
        self.measured: dict[tuple[int, int, int], Measured] = {}

    def start(self, job: Job, n_inputs: int) -> None:
        """Print what is going to run and where, the warnings, and if asked for all settings."""
        self.job, self.n_inputs, self.number = job, n_inputs, 0
        if job.dry_run and not self.as_json:
            show(self.results, _headline(job))
        else:
            self._say(_headline(job))
        for warning in (*job.warnings, *warnings.of_crowding(job)):
            self._warn(warning)
        if self.verbose:
            for line in _settings(job):
                self._say(line)

    @contextmanager
    def progress(
        self, recording: Recording, folder: RunFolder, state: str, warnings: Sequence[str]
    ) -> Iterator[OnProgress]:
        """Show the progress of a separation while the block below runs.

        Before it the recording, its warnings and what is done already are printed.

        Yields:
            What to call with every report of progress.
        """
        self.begin(str(recording.path), recording, folder, state, warnings, number=self.number + 1)
        if self.quiet:
            yield _ignore
            return
        with show_progress(
            self.messages, self.job.config, live=self._is_live, verbose=self.verbose
        ) as on_progress:
            yield on_progress

    def begin(
        self,
        name: str,
        sound: Recording | Looked,
        folder: RunFolder,
        state: str,
        warnings: Sequence[str],
        *,
        number: int,
    ) -> None:
        """Print what a recording is, its warnings, and what of it is done already.

        Args:
            name: of the recording.
            sound: says its length, rate and channels.
            folder: of its results.
            state: what the folder holds.
            warnings: sentences that the user should read.
            number: its place among all inputs, counted from 1.
        """
        channels = channels_in_words(sound.n_channels)
        counter = f"[{number}/{self.n_inputs}] " if self.n_inputs > 1 else ""
        self._say(
            f"{counter}{name}: {clock(sound.duration_s)}, {sound.sample_rate_hz} Hz, {channels} -> "
            f"{folder.folder}"
        )
        for warning in warnings:
            self._warn(f"{name}: {warning}")
        if state == "unfinished":
            self._say(_unfinished(folder, resume=self.job.resume))

    @contextmanager
    def batch_progress(self) -> Iterator[Display]:
        """Show the progress of all recordings at once while the block below runs.

        Yields:
            What to tell of every report.
        """
        method = registry.get(self.job.config.run.method)
        if self.quiet:
            yield Silence()
        elif not self._is_live:
            yield BatchLines(self.messages, method, verbose=self.verbose)
        else:
            board = BatchBoard(self.messages, method, self.n_inputs)
            board.start()
            try:
                yield board
            finally:
                board.stop()

    @property
    def _is_live(self) -> bool:
        """Return whether a table can be redrawn in place on stderr."""
        return sys.stderr.isatty() and not self.messages.is_dumb_terminal

    def say_counted(self, recording: Recording, n_lines: int) -> None:
        """Print how many lines were counted in a recording."""
        self._say(f"{recording.path}: speaks for {n_lines} line{'s' * (n_lines > 1)}: -n {n_lines}")

    def estimated(self, recording: Recording, config: Config) -> Estimate:
        """Return the time and memory that a separation will take.

        It is measured only once for all recordings of one sample rate, number of channels and
        number of instruments.
        """
        form = recording.sample_rate_hz, recording.n_channels
        kind = (*form, config.run.instruments)
        if kind not in self.measured:
            self.measured[kind] = Measured.of(*form, config, self.job.device)
        return self.measured[kind].estimate(recording.n_samples)

    def show(self, outcome: Outcome) -> None:
        """Print the result of one input, or what went wrong."""
        self.number += 1
        self.n_done += outcome.status in ("done", "unchanged")
        name = str(outcome.source.path)
        if outcome.error is not None:
            prefix = "" if outcome.error.startswith(name) else f"{name}: "
            self.error(f"{prefix}{outcome.error}")
        elif outcome.status == "interrupted":
            self.error(_interruption(outcome, n_done=self.n_done))
        elif outcome.status == "unchanged":
            self._say(
                f"{name}: nothing to do, {outcome.folder.folder} holds its separation with these "
                "settings"
            )
            if outcome.page is not None:
                self._say(f"written: {outcome.page}")
        if self.as_json:
            typer.echo(json.dumps(tables.to_json(outcome)))
        elif outcome.status == "done" and outcome.manifest is not None:
            self._show_result(outcome, outcome.manifest)
        if outcome.status == "done" and outcome.manifest is not None:
            for warning in warnings.of_result(outcome.manifest):
                self._warn(f"{name}: {warning}")

    def _show_result(self, outcome: Outcome, manifest: Manifest) -> None:
        """Print the tables of one separation."""
        show(self.results, tables.heading(outcome))
        show(self.results, tables.stems(outcome.folder, manifest))
        if len(manifest["ranking"]) > 1:
            show(self.results, tables.ranking(manifest))
        for line in tables.footnotes(manifest):
            show(self.results, line)
        if outcome.page is not None:
            show(self.results, Text(f"to hear it: {outcome.page}"))
        show(self.results, "")

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Print a table of all inputs, if there are several or nothing was to be written."""
        if self.as_json:
            return
        if self.job.dry_run:
            show(self.results, tables.plan(outcomes))
        elif self.n_inputs > 1:
            show(self.results, tables.closing(outcomes))

    def error(self, text: str) -> None:
        """Print an error in red: something that the user has to change."""
        self.messages.print(Text(f"error: {text}", "red"), soft_wrap=True)

    def bug(self, trace: str) -> None:
        """Print the whole traceback of an error that is musisep's own."""
        self.messages.print(Text(trace), soft_wrap=True)

    def _warn(self, text: str) -> None:
        """Print a warning, unless messages are unwanted."""
        self._say(f"warning: {text}")

    def _say(self, line: str) -> None:
        """Print a message, unless messages are unwanted."""
        if not self.quiet:
            self.messages.print(Text(line), soft_wrap=True)


def _headline(job: Job) -> str:
    """Return in one line what is going to run, and where."""
    config, run = job.config, job.config.run
    method = registry.get(run.method)
    last = run.first_seed + run.seeds - 1
    seeds = f"seed {last}" if run.seeds == 1 else f"seeds {run.first_seed} to {last}"
    instruments = f"{run.instruments} instrument{'' if run.instruments == 1 else 's'}"
    if job.counted is not None:
        instruments = "as many instruments as lines are counted"
    words = [method.start(config.settings), method.training(config.settings)]
    where = job.where or describe(job.device, run.threads, run.precision)
    return (
        f"musisep {__version__} on {where}; "
        f"preset {config.preset} ({', '.join(filter(None, words))}), {instruments}, {seeds}"
    )


def _settings(job: Job) -> Iterator[str]:
    """Yield the lines of a file for --config that holds all settings."""
    for section, values in job.config.to_json().items():
        if isinstance(values, dict):
            yield f"[{section}]"
            yield from (f"{name} = {json.dumps(value)}" for name, value in values.items())


def _unfinished(folder: RunFolder, *, resume: bool) -> str:
    """Return in words what an unfinished run left in a folder, and what becomes of it."""
    seeds = _listed(made_seeds.numbers(folder))
    kept = f"{seeds} done and kept" if seeds else "no seed is done"
    stopped = _listed(made_seeds.stopped(folder))
    if not stopped:
        return f"an unfinished separation is there: {kept}"
    rest = "goes on where it stopped" if resume else "starts over (--resume would go on with it)"
    return f"an unfinished separation is there: {kept}, {stopped} {rest}"


def _interruption(outcome: Outcome, *, n_done: int) -> str:
    """Return in words what is kept of an interrupted input, and how many were done before it."""
    folder = outcome.folder
    found = (made_seeds.numbers(folder), "done"), (made_seeds.stopped(folder), "in part")
    kept = ", ".join(f"{_listed(seeds)} {what}" for seeds, what in found if seeds)
    rest = f"kept in {folder.folder}: {kept}; --resume goes on" if kept else "nothing of it is kept"
    before = f". Recordings done before it: {n_done}" if n_done else ""
    return f"interrupted in {outcome.source.path}: {rest}{before}."


def _listed(seeds: Sequence[int]) -> str:
    """Return seeds in words; an empty text if there are none.

    >>> _listed([3]), _listed([0, 1])
    ('seed 3', 'seeds 0, 1')
    """
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" if seeds else ""


def _ignore(progress: object) -> None:
    """Ignore a report of progress, where messages are unwanted."""
