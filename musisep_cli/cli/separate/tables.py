"""Tables of `musisep separate`: what came out of a recording, and of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from musisep_cli.cli.progress import span
from musisep_cli.methods import registry
from musisep_cli.run.folder import manifest as manifests
from musisep_cli.run.settings.compose import remembered
from musisep_cli.sound.level import decibels
from musisep_cli.sound.notation import clock

if TYPE_CHECKING:
    from musisep_cli.cli.separate.job import Outcome
    from musisep_cli.run.folder.differences import Manifest
    from musisep_cli.run.folder.layout import RunFolder

WORDS = {
    "done": "done",
    "unchanged": "nothing to do",
    "planned": "to separate",
    "failed": "failed",
    "interrupted": "interrupted",
}
"""Words by which people are shown the status of an input."""


MOST_LISTED = 1000
"""Rows of the closing table at most: nobody reads more, and to lay out a million takes minutes."""


def heading(outcome: Outcome) -> Text:
    """Return a line that says what was separated, and into which folder.

    It is a line of its own because the title of a table would be folded to the table's width.
    """
    return Text(f"{outcome.source.path} -> {outcome.folder.folder}", "bold")


def stems(folder: RunFolder, manifest: Manifest) -> Table:
    """Return a table of the stems: level in dBFS, share of the recording's energy, and file.

    A file in the run's folder is given by its name, any other by its whole path.
    """
    table = Table(box=SIMPLE_HEAD)
    table.add_column("stem", no_wrap=True)
    table.add_column("level, dBFS", justify="right", no_wrap=True)
    table.add_column("share of energy", justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    for stem in manifest["stems"]:
        level, path = stem["rms_dbfs"], folder.stem(stem["name"])
        row = [
            stem["name"],
            "silent" if level is None else f"{level:.1f}",
            f"{stem['energy_share']:.1%}",
            path.name if path.parent == folder.folder else str(path),
        ]
        table.add_row(*map(Text, row))
    return table


def ranking(manifest: Manifest) -> Table:
    """Return a table of all seeds, the best first, the chosen one marked."""
    table = _table("Seeds")
    table.add_column("seed", justify="right")
    table.add_column("objective", justify="right")
    if _trained(manifest):
        table.add_column("steps skipped", justify="right")
    table.add_column("time", justify="right")
    table.add_column("")
    for row in manifest["ranking"]:
        mark = manifest["chosen_by"] if row["seed"] == manifest["chosen_seed"] else ""
        skipped = [str(row["n_skipped_steps"])] * _trained(manifest)
        cells = [str(row["seed"]), _objective(row), *skipped, clock(row["wall_s"]), mark]
        table.add_row(*cells, style="bold" if mark else "")
    return table


def footnotes(manifest: Manifest) -> list[str]:
    """Return sentences below the tables: the gain of all stems, and how exactly they add up.

    If there is only one seed, its objective and time come first, as it has no table.
    """
    notes = []
    if len(manifest["ranking"]) == 1:
        [row] = manifest["ranking"]
        skipped = f"{row['n_skipped_steps']} steps skipped, " if _trained(manifest) else ""
        notes.append(
            f"seed {row['seed']}: objective {_objective(row)} over all frames, "
            f"{skipped}{clock(row['wall_s'])}"
        )
    if manifest["gain"] < 1.0:
        notes.append(
            f"all stems are scaled by one gain, {decibels(manifest['gain']):.2f} dB, to fit into "
            f"{manifest['output']['subtype']}"
        )
    error_db = decibels(manifest["sum_error"])
    figure = "exactly" if error_db is None else f"to {error_db:.0f} dB of its peak"
    scaled = " / gain" if manifest["gain"] < 1.0 else ""
    last = manifest["stems"][-1]["name"]
    total = f"stems + {last} = input{scaled} {figure}"
    return [*_likes(manifest), *notes, total, *_overlap(manifest)]


def _likes(manifest: Manifest) -> list[str]:
    """Return a sentence for every instrument that was asked for: whether it is there, and how."""
    return [
        f"{each['name']}: {'heard' if each['heard'] else 'not heard'}, presence "
        f"{each['presence']:.2f}; engine {each['engine']}: {each['why']}"
        for each in manifest.get("likes", [])
    ]


def _overlap(manifest: Manifest) -> list[str]:
    """Return a sentence that explains shares of energy that do not add up to 100 %, if so."""
    total = sum(stem["energy_share"] for stem in manifest["stems"])
    if f"{total:.0%}" == "100%":
        return []
    effect = "strengthen" if total < 1 else "weaken"
    return [f"shares of energy add up to {total:.0%}: stems overlap, and {effect} each other there"]


def _trained(manifest: Manifest) -> bool:
    """Return whether there were training steps, some of which may have been skipped."""
    config = remembered(manifest["config"])
    return registry.get(config.run.method).n_steps(config.settings) > 0


def _objective(row: dict[str, Any]) -> str:
    """Return the objective in a row of the ranking as a text of five digits."""
    return "not finite" if row["objective"] is None else f"{row['objective']:.5g}"


def plan(outcomes: Sequence[Outcome]) -> Table:
    """Return a table of what a dry run found: what would be done with each recording."""
    states = {"new": "separate", "unfinished": "finish", "replaced": "replace"}
    table = _table("Dry run: nothing is written")
    for name in ("recording", "length", "what", "time a seed", "memory", "where to"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        what = states.get(outcome.state or "", WORDS[outcome.status])
        length = "" if outcome.duration_s is None else clock(outcome.duration_s)
        row = [str(outcome.source.path), length, what, *_needs(outcome), _where(outcome)]
        table.add_row(*map(Text, row), style=_style(outcome))
    return table


def _needs(outcome: Outcome) -> tuple[str, str]:
    """Return how long a seed will take and how much memory, where that was measured."""
    if outcome.estimate is None:
        return "", ""
    memory = outcome.estimate.memory_bytes
    words = f"{'up to' if outcome.estimate.may_stop else 'about'} {span(outcome.estimate.total_s)}"
    return words, "" if memory is None else f"{memory / 1e9:.1f} GB"


def closing(outcomes: Sequence[Outcome]) -> Table:
    """Return a table of what became of every recording, and where it is or why it failed.

    Of more than ``MOST_LISTED`` recordings it lists those that are not done or have warnings, and
    of these the first ones.
    """
    count = Counter(WORDS[outcome.status] for outcome in outcomes)
    summary = ", ".join(f"{number} {word}" for word, number in count.items())
    n_all = len(outcomes)
    if n_all > MOST_LISTED:
        told = [each for each in outcomes if each.warnings or _style(each)]
        outcomes = told[:MOST_LISTED]
        summary += f"; {len(outcomes)} of the {len(told)} that failed or have warnings are listed"
    table = _table(f"{n_all} recordings: {summary}")
    table.add_column("recording", overflow="fold")
    table.add_column("result", no_wrap=True)
    table.add_column("where, or why", overflow="fold")
    for outcome in outcomes:
        row = [str(outcome.source.path), _result(outcome), _where(outcome)]
        table.add_row(*map(Text, row), style=_style(outcome))
    return table


def _result(outcome: Outcome) -> str:
    """Return what became of a recording in words, with the number of warnings about it."""
    n_warnings = len(outcome.warnings)
    plural = "" if n_warnings == 1 else "s"
    return WORDS[outcome.status] + (f", {n_warnings} warning{plural}" if n_warnings else "")


def _where(outcome: Outcome) -> str:
    """Return the folder of the results, or the error for which there are none."""
    if outcome.error is None:
        return str(outcome.folder.folder)
    return outcome.error.removeprefix(f"{outcome.source.path}: ")


def _table(title: str) -> Table:
    """Return an empty table with a title, in the layout that all tables here have."""
    return Table(title=Text(title, "bold"), title_justify="left", box=SIMPLE_HEAD)


def _style(outcome: Outcome) -> str:
    """Return the colour of a recording's row: red if it is not done."""
    return "red" if outcome.status in ("failed", "interrupted") else ""


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of one input as a JSON object; of files it names those that exist."""
    folder, manifest = outcome.folder, outcome.manifest
    document: dict[str, Any] = {
        "input": str(outcome.source.path),
        "status": outcome.status,
        "folder": str(folder.folder),
    }
    if outcome.error is not None:
        document["error"] = outcome.error
    if outcome.duration_s is not None:
        document["duration_s"] = outcome.duration_s
    if outcome.estimate is not None:
        document["estimate"] = asdict(outcome.estimate)
    if manifest is None:
        return {**document, "files": []}
    document["stems"] = stems_to_json(folder, manifest)
    copied = ("chosen_seed", "chosen_by", "ranking", "gain", "sum_error", "wall_s", "device")
    document |= {name: manifest[name] for name in copied}
    document["likes"] = manifest.get("likes", [])
    if outcome.status == "done":
        document["warnings"] = list(outcome.warnings)
    return {**document, "files": files_to_json(folder, manifest)}


def stems_to_json(folder: RunFolder, manifest: Manifest) -> list[dict[str, Any]]:
    """Return what the manifest says of the stems, with the paths of their files."""
    return [{**stem, "path": str(folder.stem(stem["name"]))} for stem in manifest["stems"]]


def files_to_json(folder: RunFolder, manifest: Manifest) -> list[str]:
    """Return the files of a run that are there, the listening page last."""
    page = [folder.page] if folder.page.is_file() else []
    return [str(path) for path in (*manifests.listed_files(manifest, folder), *page)]
