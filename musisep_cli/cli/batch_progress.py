"""Progress of many recordings at once: one live table, or calm lines that name each recording."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musisep_cli.cli.progress import (
    LINE_SHARE,
    MOST_ROWS,
    VERBOSE_SHARE,
    Lines,
    SeedProgress,
    last_stage,
    note,
)
from musisep_cli.methods.method import Method, Progress


class Display(Protocol):
    """Shows the progress of many recordings."""

    def update(self, track: str, progress: Progress) -> None:
        """Take in a report of a seed of a recording."""

    def made(self, track: str, seed: int) -> None:
        """Take in that a seed of a recording is done."""

    def ended(self, track: str) -> None:
        """Take in that a recording is done, or failed."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to what is printed in the block below."""


class BatchLines:
    """Plain lines for a log.

    Args:
        console: where they go.
        method: method whose stages are named.
        verbose: whether lines come more often.
    """

    def __init__(self, console: Console, method: Method, *, verbose: bool) -> None:
        self.console, self.method = console, method
        self.share = VERBOSE_SHARE if verbose else LINE_SHARE
        self.lines: dict[str, Lines] = {}

    def update(self, track: str, progress: Progress) -> None:
        """Print a line on a seed of a recording, if one is due."""
        if track not in self.lines:
            self.lines[track] = Lines(self.console, self.method, share=self.share, of=track)
        self.lines[track].update(progress)

    def made(self, track: str, seed: int) -> None:
        """Say that a seed is done, unless its last report did."""
        lines = self.lines.get(track)
        if lines is None or seed not in lines.seeds or not lines.seeds[seed].is_done:
            self.console.print(Text(f"{track}: seed {seed}: done"), soft_wrap=True)

    def ended(self, track: str) -> None:
        """Forget a recording."""
        self.lines.pop(track, None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do nothing: lines do not get into each other's way."""
        yield


class BatchBoard:
    """The live table: a row for each seed that is in the making, and one for all.

    Args:
        console: where it is drawn, and where notes go.
        method: method whose stages are shown.
        n_recordings: number of recordings that there will be.
    """

    def __init__(self, console: Console, method: Method, n_recordings: int) -> None:
        self.console, self.method, self.n_recordings = console, method, n_recordings
        self.seeds: dict[tuple[str, int], SeedProgress] = {}
        self.n_seeds_done = self.n_recordings_ended = 0
        self.live: Live | None = None

    def update(self, track: str, progress: Progress) -> None:
        """Take in one report, and print its note above the table."""
        if progress.note:
            self.console.print(Text(f"{track}: {note(progress)}"), soft_wrap=True)
        now_s = time.monotonic()
        key = track, progress.seed
        if key not in self.seeds:
            self.seeds[key] = SeedProgress(progress.seed, now_s, last_stage(self.method))
        self.seeds[key].update(progress, now_s)

    def made(self, track: str, seed: int) -> None:
        """Take a seed that is done out of the table."""
        self.seeds.pop((track, seed), None)
        self.n_seeds_done += 1

    def ended(self, track: str) -> None:
        """Take what is left of a recording out of the table."""
        self.n_recordings_ended += 1
        for key in [key for key in self.seeds if key[0] == track]:
            del self.seeds[key]

    def table(self) -> Table:
        """Return the table: the seeds that were heard of last, and how much of all is done."""
        table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="dim")
        table.add_column("recording", no_wrap=True, overflow="ellipsis", max_width=30)
        table.add_column("seed", no_wrap=True)
        table.add_column("stage", no_wrap=True, min_width=max(map(len, self.method.stages)))
        table.add_column("", ratio=1)
        for name, width in (("", 11), ("per s", 5), ("left of stage", 7)):
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for (track, seed), state in list(self.seeds.items())[-MOST_ROWS:]:
            bar = ProgressBar(total=state.total, completed=state.done)
            numbers = f"{state.done}/{state.total}", state.speed_text, state.left
            named = Text(track, "bold"), Text(str(seed)), Text(state.stage)
            table.add_row(*named, bar, *map(Text, numbers))
        bar = ProgressBar(total=self.n_recordings, completed=self.n_recordings_ended)
        counted = f"{self.n_recordings_ended}/{self.n_recordings}"
        table.add_row("all", "", f"{len(self.seeds)} in hand", bar, counted, "", "")
        return table

    def start(self) -> None:
        """Begin to draw the table in place."""
        self.live = Live(
            get_renderable=self.table, console=self.console, refresh_per_second=4, transient=True
        )
        self.live.start()

    def stop(self) -> None:
        """Take the table off the terminal."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the table off the terminal within the block below."""
        self.stop()
        try:
            yield
        finally:
            self.start()


class Silence:
    """Shows nothing, where messages are unwanted."""

    def update(self, track: str, progress: Progress) -> None:
        """Do nothing."""

    def made(self, track: str, seed: int) -> None:
        """Do nothing."""

    def ended(self, track: str) -> None:
        """Do nothing."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do nothing around the block below."""
        yield
