"""Seeds: the spread of the scores over the seeds of a run, and the seed it chose blind."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from musisep_cli.errors import InputError
from musisep_cli.evaluation.results import SeedSummary, TakeResult, mean_db
from musisep_cli.evaluation.takes import MANIFEST


def summarise(folder: Path, takes: Sequence[TakeResult], name: str) -> SeedSummary:
    """Return the spread of the mean SDR over the scored seeds of a run.

    Args:
        folder: the run's folder; its manifest tells which seed was chosen without references.
        takes: scores of its seeds.
        name: name of the run.

    Raises:
        InputError: the manifest is there and damaged.
    """
    chosen, objectives = _blind_choice(folder)
    by_seed = {
        take.seed: take.mean.sdr_db
        for take in takes
        if take.seed is not None and take.mean.sdr_db is not None
    }
    finite = [score for score in by_seed.values() if abs(score) < float("inf")]
    best = max(by_seed, key=lambda seed: by_seed[seed], default=None)
    return SeedSummary(
        take=name,
        n_seeds=len(takes),
        mean_sdr_db=mean_db(by_seed.values()),
        std_sdr_db=statistics.stdev(finite) if len(finite) > 1 else None,
        best_seed=best,
        best_sdr_db=None if best is None else by_seed[best],
        worst_sdr_db=min(by_seed.values(), default=None),
        chosen_seed=chosen,
        chosen_sdr_db=None if chosen is None else by_seed.get(chosen),
        objectives=objectives,
    )


def _blind_choice(folder: Path) -> tuple[int | None, dict[int, float]]:
    """Return the seed that the run chose, and the objective of every seed, the best first."""
    path = folder / MANIFEST
    if not path.is_file():
        return None, {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        # A seed that ended with numbers that are not finite has no objective.
        ranking = {
            int(row["seed"]): float(row["objective"])
            for row in manifest["ranking"]
            if row["objective"] is not None
        }
        return int(manifest["chosen_seed"]), ranking
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: no usable chosen_seed and ranking ({error!r}). Run the separation again, or"
            " evaluate without --seeds."
        ) from error
