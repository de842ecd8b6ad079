"""Made seeds: the seeds that lie in a run's folder, whole and verified.

``seeds/003/seed.json`` comes last and holds the hash of every other file: a seed whose files are
not all there as they were written is not done. It also says of what run the seed is, as a hash and
in full, so that seeds made by other processes or on other machines can be told from those of other
settings, and in what they differ.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from musisep_cli.machine.files import sha256
from musisep_cli.run.checkpoint import NEWEST, PREVIOUS
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.ranking import SeedScore
from musisep_cli.sound import audio_file

SUMMARY = "seed.json"
"""Name of the file that is written last into a seed's folder and says that the seed is done."""


def summary(row: SeedScore) -> dict[str, Any]:
    """Return one row of the ranking as JSON values, an infinite objective as null."""
    return {
        "seed": row.seed,
        "method": row.method,
        "objective": row.objective if math.isfinite(row.objective) else None,
        "wall_s": round(row.wall_s, 3),
        "n_skipped_steps": row.n_skipped,
    }


def read(folder: RunFolder, seed: int, run: str) -> SeedScore | None:
    """Return a seed as a row of the ranking if it is done, else None.

    A seed is not done if its summary is missing or damaged or names another run, or if one of its
    files is not what it was when it was written.

    Args:
        folder: of the whole run.
        seed: which seed.
        run: fingerprint of the run.
    """
    content = _content(folder.seed(seed))
    try:
        whole = content["run"] == run and content["seed"] == seed
        # A summary may come from anywhere: it must not make us read files in other folders.
        if not whole or any(
            Path(name).name != name or sha256(folder.seed(seed) / name) != digest
            for name, digest in content["files"].items()
        ):
            return None
        objective = math.inf if content["objective"] is None else float(content["objective"])
        return SeedScore(
            seed,
            str(content["method"]),
            objective,
            float(content["wall_s"]),
            int(content["n_skipped_steps"]),
        )
    except (OSError, AttributeError, LookupError, TypeError, ValueError):
        return None


def found(folder: RunFolder, run: str) -> list[SeedScore]:
    """Return all seeds of a run that are done, whichever process or machine made them.

    Args:
        folder: of the whole run.
        run: fingerprint of the run.
    """
    scores = (read(folder, seed, run) for seed in numbers(folder))
    return [row for row in scores if row is not None]


def numbers(folder: RunFolder) -> list[int]:
    """Return the seeds that have a summary, of whatever run, in ascending order."""
    return _with_file(folder, SUMMARY)


def stopped(folder: RunFolder) -> list[int]:
    """Return the seeds that have a checkpoint and no summary, of whatever run, in order."""
    unfinished = {*_with_file(folder, NEWEST), *_with_file(folder, PREVIOUS)}
    return sorted(unfinished - {*numbers(folder)})


def _with_file(folder: RunFolder, name: str) -> list[int]:
    """Return the seeds in whose folders there is a file of a name, in ascending order."""
    names = (path.parent.name for path in folder.folder.glob(f"seeds/*/{name}"))
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def of_other_runs(folder: RunFolder, run: str) -> dict[int, object]:
    """Return the seeds that were made by other runs, each with the essence of its run.

    The essence is None where the summary has none. Seeds with damaged summaries are left out.

    Args:
        folder: in which the seeds lie.
        run: fingerprint of this run.
    """
    contents = ((seed, _content(folder.seed(seed))) for seed in numbers(folder))
    return {
        seed: content.get("made_from")
        for seed, content in contents
        if content and content.get("run") != run
    }


def stems(folder: RunFolder, seed: int) -> list[audio_file.Stored]:
    """Return the stems of a seed that is done, read from its files at the recording's level.

    The gain by which they were scaled to fit into their number format is taken back.
    """
    content = _content(folder.seed(seed))
    names = [name for name in content["files"] if Path(name).stem.startswith("instrument-")]
    return [audio_file.Stored(folder.seed(seed) / name, content["gain"]) for name in names]


def file_names(target: Path) -> set[str]:
    """Return the names of a seed's files, as its summary in the folder says; none if it is damaged.

    Names of files in other folders, which no seed has, are left out.
    """
    files = _content(target).get("files")
    return {name for name in files if Path(name).name == name} if isinstance(files, dict) else set()


def _content(target: Path) -> dict[str, Any]:
    """Return the summary in a seed's folder; an empty dict if it is missing or damaged."""
    try:
        content = json.loads((target / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
