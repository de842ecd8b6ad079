"""Progress of the seeds: a live table on a terminal, calm lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musisep_cli.methods import registry
from musisep_cli.sound.notation import clock

if TYPE_CHECKING:
    from musisep_cli.methods.method import Method, OnProgress, Progress
    from musisep_cli.run.settings.config import Config

WINDOW_S = 30.0
"""Time in s over which the speed is measured: it shows changes, and single steps do not matter."""
SMOOTHING = 0.05
"""Weight of a step in the running mean of the terms: single steps jump by half."""
LINE_SHARE, LINE_S, LONGEST_SILENCE_S = 0.05, 10.0, 600.0
"""When a line is due: after every 20th of a stage, but not within 10 s of the last line, and after
10 minutes in any case."""
VERBOSE_SHARE = 0.001
"""Share of a stage after which a line is due with --verbose."""
WIDE = 104
"""Least width of a terminal, in characters, at which all loss terms are shown."""
MOST_ROWS = 12
"""Number of seeds shown in the live table, the latest ones, so that it fits into a terminal."""
FEW_ROUNDS = 10
"""Largest number of parts of a stage that gets its first line at once: each part takes long."""


def span(seconds: float) -> str:
    """Return a duration in the two largest units that say something.

    >>> span(42.4), span(750), span(12_000), span(200_000)
    ('42 s', '12 min', '3 h 20 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


@dataclass
class SeedProgress:
    """Where one seed stands, how fast it is, and what it has learned lately.

    Attributes:
        seed: number of the seed.
        started_s: monotonic time of the first report, in s.
        last_stage: name of the stage that ends the work.
        stage: name of the stage the seed is in; empty before the first report.
        stage_started_s: monotonic time of the first report in this stage, in s.
        done: steps, frames or rounds of the stage that are done.
        total: how many of them the stage has.
        terms: running means of the loss terms, by name.
        n_skipped: training steps that were not finite.
        marks: times in s and what was done by then, of the last half minute.
        in_training: whether the last report was that of a training step.
    """

    seed: int
    started_s: float
    last_stage: str
    stage: str = ""
    stage_started_s: float = 0.0
    done: int = 0
    total: int = 1
    terms: dict[str, float] = field(default_factory=dict)
    n_skipped: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    in_training: bool = False

    def update(self, progress: Progress, now_s: float) -> None:
        """Take in one report that arrived at a monotonic time in s."""
        if progress.stage != self.stage:
            self.marks.clear()
            self.stage_started_s = now_s
        self.stage, self.done, self.total = progress.stage, progress.done, progress.total
        self.marks.append((now_s, self.done))
        while len(self.marks) > 2 and now_s - self.marks[0][0] > WINDOW_S:
            self.marks.popleft()
        self.in_training = progress.report is not None
        if progress.report is not None:
            self.n_skipped = progress.report.n_skipped
            for name, value in progress.report.terms.items():
                self._smooth(name, value)

    def _smooth(self, name: str, value: float) -> None:
        """Take a loss term of one step into its running mean, if it is finite."""
        if math.isfinite(value):
            mean = self.terms.setdefault(name, value)
            self.terms[name] = mean + SMOOTHING * (value - mean)

    @property
    def share(self) -> float:
        """Return the share of the stage that is done, 0 to 1."""
        return self.done / max(self.total, 1)

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to do."""
        return self.stage == self.last_stage and self.done >= self.total

    @property
    def speed(self) -> float | None:
        """Return the steps or frames done per second; None until two reports are there."""
        if len(self.marks) < 2:
            return None
        (first_s, first), (last_s, last) = self.marks[0], self.marks[-1]
        return (last - first) / max(last_s - first_s, 1e-9)

    @property
    def left(self) -> str:
        """Return the time left of the stage as on a clock; empty while it is unknown."""
        speed = self.speed
        return clock((self.total - self.done) / speed) if speed else ""

    @property
    def speed_text(self) -> str:
        """Return the speed as a text of three digits; empty while it is unknown."""
        return f"{self.speed:.3g}" if self.speed else ""

    def term_text(self, name: str) -> str:
        """Return a loss term as a text of three digits; empty while it is unknown."""
        return f"{self.terms[name]:.3g}" if name in self.terms else ""


@contextmanager
def show_progress(
    console: Console, config: Config, *, live: bool, verbose: bool
) -> Iterator[OnProgress]:
    """Show the progress of a separation's seeds while the block below runs.

    Args:
        console: where it is shown.
        config: settings of the separation.
        live: whether a table can be redrawn in place; else lines are printed.
        verbose: whether lines come more often.

    Yields:
        What to call with every report of a seed.
    """
    method = registry.get(config.run.method)
    if not live:
        yield Lines(console, method, share=VERBOSE_SHARE if verbose else LINE_SHARE).update
        return
    board = Board(console, method, config.run.seeds)
    with Live(
        get_renderable=lambda: board.table(console.width),
        console=console,
        refresh_per_second=4,
        transient=True,
    ):
        yield board.update


class Board:
    """The live table, a row per seed.

    Args:
        console: where notes go, above the table.
        method: method whose stages and loss terms are shown.
        n_seeds: number of seeds that there will be.
    """

    def __init__(self, console: Console, method: Method, n_seeds: int) -> None:
        self.console, self.method, self.n_seeds = console, method, n_seeds
        self.seeds: dict[int, SeedProgress] = {}

    def update(self, progress: Progress) -> None:
        """Take in one report, and print its note above the table."""
        if progress.note:
            self.console.print(Text(note(progress)), soft_wrap=True)
        now_s = time.monotonic()
        state = self.seeds.setdefault(
            progress.seed, SeedProgress(progress.seed, now_s, last_stage(self.method))
        )
        state.update(progress, now_s)

    def table(self, width: int) -> Table:
        """Return the table for a terminal of a width in characters."""
        seeds = list(self.seeds.values())
        # Without training there are no loss terms to show.
        terms = tuple(self.method.terms if width >= WIDE else self.method.terms[:1])
        terms = terms if any(state.terms for state in seeds) else ()
        table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="dim")
        table.add_column("seed", no_wrap=True)
        table.add_column("stage", no_wrap=True, min_width=max(map(len, self.method.stages)))
        table.add_column("", ratio=1)
        # Least widths, so that columns do not move when numbers get more digits.
        numbers = [("", 11), ("per s", 5), ("left of stage", 7), *((term, 8) for term in terms)]
        for name, width_needed in numbers:
            table.add_column(name, justify="right", no_wrap=True, min_width=width_needed)
        for state in seeds[-MOST_ROWS:]:
            table.add_row(*self._row(state, terms))
        n_done = sum(state.is_done for state in seeds)
        if n_done == self.n_seeds:
            table.add_row("", "writing")
        elif self.n_seeds > 1:
            bar = ProgressBar(total=self.n_seeds, completed=n_done)
            table.add_row(
                "all", "seeds done" if seeds else "starting", bar, f"{n_done}/{self.n_seeds}"
            )
        return table

    @staticmethod
    def _row(state: SeedProgress, terms: tuple[str, ...]) -> list[Text | ProgressBar]:
        """Return the cells of one seed."""
        bar = ProgressBar(total=state.total, completed=state.done)
        cells = [f"{state.done}/{state.total}", state.speed_text, state.left]
        cells += map(state.term_text, terms)
        stage = "done" if state.is_done else state.stage
        return [Text(str(state.seed), "bold"), Text(stage), bar, *map(Text, cells)]


class Lines:
    """Plain lines for a log.

    Args:
        console: where they go.
        method: method whose stages are named.
        share: share of a stage, 0 to 1, after which a line is due.
        of: name of the recording, which begins every line where there are several at once.
    """

    def __init__(self, console: Console, method: Method, *, share: float, of: str = "") -> None:
        self.console, self.method, self.share, self.of = console, method, share, of
        self.seeds: dict[int, SeedProgress] = {}
        self.shown: dict[tuple[int, str], tuple[float, float]] = {}

    def update(self, progress: Progress) -> None:
        """Take in one report, and print a line if one is due."""
        if progress.note:
            self._print(note(progress))
        now_s = time.monotonic()
        state = self.seeds.setdefault(
            progress.seed, SeedProgress(progress.seed, now_s, last_stage(self.method))
        )
        state.update(progress, now_s)
        if state.is_done:
            self._print(f"seed {state.seed}: done after {clock(now_s - state.started_s)}")
        elif self._is_due(state, now_s):
            self.shown[state.seed, state.stage] = now_s, state.share
            self._print(self._line(state))

    def _is_due(self, state: SeedProgress, now_s: float) -> bool:
        """Return whether a line on a seed is due at a monotonic time in s."""
        if (state.seed, state.stage) not in self.shown:
            at_once = state.total <= FEW_ROUNDS and any(
                seed == state.seed for seed, _ in self.shown
            )
            return at_once or now_s - state.stage_started_s >= LINE_S
        last_s, last_share = self.shown[state.seed, state.stage]
        gained, waited_s = state.share - last_share, now_s - last_s
        return (gained >= self.share and waited_s >= LINE_S) or waited_s >= LONGEST_SILENCE_S

    def _line(self, state: SeedProgress) -> str:
        """Return in one line where a seed stands."""
        counted = self.method.stages[state.stage]
        parts = [f"seed {state.seed}: {counted} {state.done} of {state.total} ({state.share:.0%})"]
        if state.speed:
            parts.append(f"{state.speed_text} per s, {state.left} left")
        if state.in_training:
            parts.append(" ".join(f"{name} {state.term_text(name)}" for name in state.terms))
            parts += [f"{state.n_skipped} steps skipped"] * (state.n_skipped > 0)
        return "; ".join(parts)

    def _print(self, line: str) -> None:
        """Print a line, which is not folded."""
        self.console.print(Text(f"{self.of}: {line}" if self.of else line), soft_wrap=True)


def note(progress: Progress) -> str:
    """Return the note of a report with the seed that it is about."""
    return f"seed {progress.seed}: {progress.note}"


def last_stage(method: Method) -> str:
    """Return the name of the stage that ends a method's work."""
    return list(method.stages)[-1]
