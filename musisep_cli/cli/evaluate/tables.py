"""Tables of an evaluation: for people on a terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from musisep_cli.cli.output import PLAIN_WIDTH

if TYPE_CHECKING:
    from rich.console import Console

    from musisep_cli.evaluation import Evaluation
    from musisep_cli.evaluation.results import Ratios, ReferenceResult, SeedSummary, TakeResult

NAME_WIDTH = 12
"""Number of characters up to which a name is not folded on a narrow terminal."""
RATIOS = {
    "sdr_db": "SDR",
    "sir_db": "SIR",
    "sar_db": "SAR",
    "mix_sdr_db": "mix",
    "sdr_improvement_db": "gain",
    "ceiling_sdr_db": "mask",
}
"""Fields of ``Ratios``, each with the heading of its column."""
PITCH = {
    "raw_pitch_accuracy": "raw pitch",
    "raw_chroma_accuracy": "raw chroma",
    "voicing_recall": "voicing",
    "voicing_false_alarm": "false alarms",
    "overall_accuracy": "overall",
}
"""Fields of ``MelodyScores``, each with the heading of its column."""


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn.

    Attributes:
        title: line above the table.
        columns: headings of the columns.
        rows: texts of the cells; a row of one cell is a heading over the rows that follow it.
        n_names: number of columns from the left that hold names; the others hold numbers.
        footnotes: lines below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    n_names: int
    footnotes: tuple[str, ...] = ()

    def without_empty_columns(self) -> Grid:
        """Return the table without columns of numbers in which every cell is empty."""
        kept = [
            index
            for index in range(len(self.columns))
            if index < self.n_names or any(row[index] for row in self.rows if len(row) > 1)
        ]
        columns = tuple(self.columns[index] for index in kept)
        rows = [tuple(row[index] for index in kept) if len(row) > 1 else row for row in self.rows]
        return replace(self, columns=columns, rows=rows)


def grids(result: Evaluation) -> list[Grid]:
    """Return the tables of a result that have something to show."""
    tables = [_seed_grid(result, summary) for summary in result.seeds]
    if not result.seeds:
        tables.append(_score_grid(result))
    if any(each.pitch for take in result.takes for each in take.references):
        tables.append(_pitch_grid(result))
    return [table.without_empty_columns() for table in tables]


def _score(value: float | None) -> str:
    """Return the text of a score in dB, empty if there is none.

    >>> _score(-1e-9), _score(float("-inf")), _score(None)
    ('0.00', '-inf', '')
    """
    return "" if value is None else f"{value:z.2f}"


def _ratio_cells(ratios: Ratios) -> list[str]:
    """Return the cells of all ratios."""
    return [_score(getattr(ratios, name)) for name in RATIOS]


def _score_grid(result: Evaluation) -> Grid:
    """Return the table of scores: a row per reference, a mean per take, and a mean of all takes."""
    rows: list[tuple[str, ...]] = []
    for take in result.takes:
        rows += _take_heading(result, take)
        rows += [_reference_cells(each) for each in take.references]
        if len(take.references) > 1:
            rows.append((_mean_name(take), "", *_ratio_cells(take.mean), "", ""))
    if len(result.takes) > 1:
        rows.append((f"all {len(result.takes)} takes",))
        rows.append(("mean", "", *_ratio_cells(result.mean), "", ""))
    columns = ("reference", "stem", *RATIOS.values(), "lag", "")
    return Grid(_title(result, _measure(result)), columns, rows, 2, (_definitions(result),))


def _take_heading(result: Evaluation, take: TakeResult) -> list[tuple[str, ...]]:
    """Return a row with the take's name if there are several; one is named in the title."""
    return [(take.name,)] if len(result.takes) > 1 else []


def _reference_cells(each: ReferenceResult) -> tuple[str, ...]:
    """Return the cells of one reference."""
    lag = f"{each.lag_samples:+g}" if each.lag_samples else ""
    return (each.reference, each.stem or "", *_ratio_cells(each.scores), lag, each.note)


def _mean_name(take: TakeResult) -> str:
    """Return the name of a take's mean, with its number of references if some have no score."""
    n_scored, n_all = len(take.scored), len(take.references)
    return "mean" if n_scored == n_all else f"mean of {n_scored} of {n_all}"


def _measure(result: Evaluation) -> str:
    """Return the name of the measure and its unit."""
    return f"{result.options.definitions()['measure']}, dB"


def _title(result: Evaluation, text: str) -> str:
    """Return a title, with the name of the take if there is only one."""
    return f"{result.takes[0].name}: {text}" if len(result.takes) == 1 else text


def _definitions(result: Evaluation) -> str:
    """Return the definitions of all numbers that are shown."""
    hidden = {name for name in RATIOS if getattr(result.mean, name) is None} | {"measure"}
    return "; ".join(
        f"{RATIOS.get(name, name.replace('_', ' '))}: {text}"
        for name, text in result.options.definitions().items()
        if name not in hidden
    )


def _pitch_grid(result: Evaluation) -> Grid:
    """Return the table of pitch scores: a row per reference, and a footnote per take."""
    rows: list[tuple[str, ...]] = []
    for take in result.takes:
        rows += _take_heading(result, take)
        rows += [
            (each.reference, *(f"{getattr(each.pitch, name):.3f}" for name in PITCH))
            for each in take.references
            if each.pitch
        ]
    together = tuple(
        f"{take.name}, all pitches together: precision {take.multipitch.precision:.3f},"
        f" recall {take.multipitch.recall:.3f}, accuracy {take.multipitch.accuracy:.3f}"
        for take in result.takes
        if take.multipitch
    )
    definition = "measures: melody and multipitch of mir_eval, right within 50 cents; from 0 to 1"
    columns = ("reference", *PITCH.values())
    return Grid(_title(result, "pitch"), columns, rows, 1, (*together, definition))


def _seed_grid(result: Evaluation, summary: SeedSummary) -> Grid:
    """Return the table of a run's seeds: a row per seed, in the order of the blind ranking."""
    takes = [take for take in result.takes if take.group == summary.take]
    order = list(summary.objectives)
    takes.sort(key=lambda take: order.index(take.seed) if take.seed in order else len(order))
    rows = [_seed_row(take, summary) for take in takes]
    names = ", ".join(each.reference for each in takes[0].references) if takes else ""
    columns = ("seed", "", "objective", "SDR", "SIR", "SAR", f"SDR of {names}")
    title = f"{summary.take}: {summary.n_seeds} seeds, {_measure(result)}, means over references"
    return Grid(title, columns, rows, 2, (*_spread(summary), _definitions(result)))


def _seed_row(take: TakeResult, summary: SeedSummary) -> tuple[str, ...]:
    """Return the cells of one seed: its mean scores, and whether it was chosen or is the best."""
    labels = {summary.chosen_seed: "chosen blind", summary.best_seed: "best"}
    if summary.chosen_seed == summary.best_seed:
        labels[summary.best_seed] = "chosen blind, and best"
    objective = summary.objectives.get(take.seed) if take.seed is not None else None
    return (
        str(take.seed),
        labels.get(take.seed, ""),
        "" if objective is None else f"{objective:.5g}",
        *_ratio_cells(take.mean)[:3],
        " / ".join(_score(each.scores.sdr_db) or "-" for each in take.references),
    )


def _spread(summary: SeedSummary) -> Iterator[str]:
    """Yield the spread over the seeds in words, and how good the blind choice was."""
    yield (
        f"mean SDR over {summary.n_seeds} seeds: {_score(summary.mean_sdr_db)} dB, standard"
        f" deviation {_score(summary.std_sdr_db) or '-'}, from"
        f" {_score(summary.worst_sdr_db)} to {_score(summary.best_sdr_db)}"
    )
    if summary.chosen_seed is None:
        yield "no manifest.json: which seed was chosen is not known"
    else:
        chosen = _score(summary.chosen_sdr_db) or "no score"
        yield (
            f"chosen blind: seed {summary.chosen_seed} ({chosen}); best by the references:"
            f" seed {summary.best_seed} ({_score(summary.best_sdr_db)})"
        )


def print_tables(result: Evaluation) -> None:
    """Draw the tables on stdout."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    for grid in grids(result):
        _print_grid(console, grid)


def _print_grid(console: Console, grid: Grid) -> None:
    """Draw one table; brackets in names are drawn as they are, not read as markup."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(grid.title, "bold"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for index, heading in enumerate(grid.columns):
        is_name = index < grid.n_names or not heading
        longest = max((len(row[index]) for row in grid.rows if len(row) > 1), default=0)
        table.add_column(
            Text(heading),
            justify="left" if is_name else "right",
            overflow="fold",
            # A narrow terminal folds long names and headings, never numbers.
            min_width=min(longest, NAME_WIDTH) if is_name else longest,
        )
    for row in grid.rows:
        style = "italic" if len(row) == 1 else "bold" if row[0].startswith("mean") else ""
        table.add_row(*(Text(cell) for cell in row), style=style)
    console.print(table)
    for line in grid.footnotes:
        console.print(Text(line, "dim"), soft_wrap=True)
    console.print()


def to_markdown(result: Evaluation) -> str:
    """Return the tables in Markdown."""
    return "\n\n".join(_markdown_grid(grid) for grid in grids(result))


def _markdown_grid(grid: Grid) -> str:
    """Return one table in Markdown with its title and footnotes."""
    rules = [":--" if index < grid.n_names else "--:" for index in range(len(grid.columns))]
    lines = [f"**{grid.title}**", "", _pipes(grid.columns), _pipes(rules)]
    padding = ("",) * len(grid.columns)
    lines += [_pipes((*row, *padding)[: len(grid.columns)]) for row in grid.rows]
    return "\n".join([*lines, "", *(f"- {line}" for line in grid.footnotes)])


def _pipes(cells: Sequence[str]) -> str:
    r"""Return one row of a table in Markdown; a pipe in a name is escaped.

    >>> print(_pipes(["a|b", "1.0"]))
    | a\|b | 1.0 |
    """
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
