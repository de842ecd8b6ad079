"""Findings: what a separation found and why it was chosen, in numbers.

Axes: ``h`` harmonics, ``i`` instruments, ``n`` frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.inspection.kinds import is_file
from musisep_cli.inspection.missed import MissedTones, find_missed
from musisep_cli.inspection.note_list import Note, find_notes, sounding
from musisep_cli.inspection.seed_agreement import SeedAgreement, seed_agreement
from musisep_cli.inspection.separation import CurveRow, Separation
from musisep_cli.run.folder.tables import identity
from musisep_cli.tones.identity import load
from musisep_cli.tones.instruments import Nearest, nearest

CURVE_ROWS = 8
"""Number of rows in which a training curve is shown as a table, so that it fits on a screen."""
ALIKE = 0.99
"""Cosine similarity, 0 to 1, above which two columns of the dictionary hardly tell instruments
apart."""
LARGE_RESIDUAL = 0.2
"""Share of the recording's energy, 0 to 1, above which a residual is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """What one instrument plays.

    Attributes:
        name: name of its stem.
        rms_dbfs: level of the stem; None if silent.
        energy_share: share of the recording's energy, 0 to 1.
        on_s: time in which it plays, in s.
        on_share: share of the recording's time in which it plays, 0 to 1.
        notes: the notes that it plays.
        lowest: lowest note; None if it plays none.
        highest: highest note; None if it plays none.
        median_hz: median pitch over all frames in which it plays; None if there are none.
        nearest: the instrument of the table that it is nearest to, and how sure that is; None where
            the stem cannot be read or plays nothing.
    """

    name: str
    rms_dbfs: float | None
    energy_share: float
    on_s: float
    on_share: float
    notes: tuple[Note, ...]
    lowest: Note | None
    highest: Note | None
    median_hz: float | None
    nearest: Nearest | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which seed was chosen, and why.

    Attributes:
        seed: the chosen seed.
        criterion: by what it was chosen, in words.
        objective: objective of the chosen seed.
        runner_up: the next best seed; None if there is none.
        margin: share, 0 to 1, by which the chosen objective is below the runner-up's.
    """

    seed: int
    criterion: str
    objective: float | None
    runner_up: int | None
    margin: float | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a separation found.

    Attributes:
        separation: what its folder holds.
        choice: the chosen seed, and why.
        instruments: what each plays, in the order of the stems.
        alike: the two instruments whose timbres are closest, and their cosine similarity; None
            without a dictionary.
        missed: where no instrument plays a tone that is there; None if the stems cannot be read.
        agreement: how far the seeds agree; None if there are not two, or they find no pitch.
    """

    separation: Separation
    choice: Choice
    instruments: tuple[Instrument, ...]
    alike: tuple[str, str, float] | None
    missed: MissedTones | None = None
    agreement: SeedAgreement | None = None

    def warnings(self) -> list[str]:
        """Return in words all that speaks against the separation."""
        found = []
        residual = self.separation.residual
        is_whole = self.separation.is_whole
        if residual and is_whole and residual["energy_share"] > LARGE_RESIDUAL:
            found.append(
                f"the residual holds {residual['energy_share']:.0%} of the energy: more sounds "
                "there than these instruments explain, or the training was too short"
            )
        if self.alike and self.alike[2] > ALIKE:
            first, second, similarity = self.alike
            found.append(
                f"{first} and {second} have nearly the same timbre (similarity {similarity:.3f}): "
                "who plays what may be mixed up"
            )
        silent = [instrument.name for instrument in self.instruments if not instrument.notes]
        if silent:
            found.append(f"{', '.join(silent)}: plays no notes; perhaps -n is too large")
        return found


def find(separation: Separation) -> Findings:
    """Return what a separation found, in numbers: notes, choice, likeness, tones missed."""
    notes = find_notes(separation.tracks)
    return Findings(
        separation=separation,
        choice=_choice(separation.manifest),
        instruments=tuple(
            _instrument(separation, number, line) for number, line in enumerate(notes)
        ),
        alike=None
        if separation.dictionary is None
        else most_alike(separation.dictionary, separation.instrument_names),
        missed=find_missed(separation) if separation.is_whole else None,
        agreement=seed_agreement(separation),
    )


def _choice(manifest: dict[str, Any]) -> Choice:
    """Return which seed a manifest names as chosen, and how far ahead of the others it is."""
    ranking, seed = manifest["ranking"], manifest["chosen_seed"]
    objectives = {row["seed"]: row["objective"] for row in ranking}
    chosen = objectives[seed]
    finite = [other for other, value in objectives.items() if other != seed and value is not None]
    runner_up = min(finite, key=objectives.__getitem__) if finite else None
    margin = None
    if runner_up is not None and chosen is not None and objectives[runner_up]:
        margin = 1 - chosen / objectives[runner_up]
    return Choice(
        seed=seed,
        criterion=manifest["chosen_by"],
        objective=chosen,
        runner_up=runner_up,
        margin=margin,
    )


def _instrument(separation: Separation, number: int, notes: Sequence[Note]) -> Instrument:
    """Return what one instrument, counted from 0, plays."""
    stem = separation.instruments[number]
    tracks = separation.tracks.of_instruments([number])
    sounds = sounding(tracks)
    heard = sounds.any(0)
    return Instrument(
        name=stem["name"],
        rms_dbfs=stem["rms_dbfs"],
        energy_share=stem["energy_share"],
        on_s=float(heard.sum()) * tracks.hop_s,
        on_share=float(heard.mean()),
        notes=tuple(notes),
        lowest=min(notes, key=lambda note: note.f0_hz, default=None),
        highest=max(notes, key=lambda note: note.f0_hz, default=None),
        median_hz=float(np.median(tracks.f0_hz[sounds])) if heard.any() else None,
        nearest=_nearest(separation, number),
    )


def _nearest(separation: Separation, number: int) -> Nearest | None:
    """Return the instrument that a stem, counted from 0, is nearest to, by its identity.

    A run of an earlier version left none.
    """
    path = separation.seed_folder(separation.manifest["chosen_seed"]) / identity(number)
    if not is_file(path):
        return None
    return next(iter(nearest(load(path))), None)


def most_alike(
    dictionary: NDArray[np.float32], names: Sequence[str]
) -> tuple[str, str, float] | None:
    """Return the two instruments with the most similar columns, and their cosine similarity.

    Args:
        dictionary: relative harmonic amplitudes, ``[h, i]``.
        names: names of the instruments.

    Returns:
        Two names and a similarity, 0 to 1; None for fewer than two instruments.

    >>> most_alike(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], np.float32), ["a", "b", "c"])
    ('a', 'c', 0.7071)
    """
    length = np.linalg.norm(dictionary, axis=0)
    columns = dictionary / np.where(length > 0, length, 1.0)
    pairs = [
        (names[a], names[b], round(float(columns[:, a] @ columns[:, b]), 4))
        for a, b in combinations(range(len(names)), 2)
    ]
    return max(pairs, key=lambda pair: pair[2], default=None)


def thinned(curve: Sequence[CurveRow], n_rows: int = CURVE_ROWS) -> list[CurveRow]:
    """Return a training curve in few rows: means of equally long stretches, at their last steps."""
    n_rows = min(n_rows, len(curve))
    bounds = [round(len(curve) * k / n_rows) for k in range(n_rows + 1)] if n_rows else []
    return [{name: _summary(name, curve[a:b]) for name in curve[0]} for a, b in pairwise(bounds)]


def _summary(name: str, rows: Sequence[CurveRow]) -> float:
    """Return one number for a column of some rows: a count's last value, or a term's mean.

    The mean is over finite values, and NaN if there are none.
    """
    if name in ("iteration", "n_skipped"):
        return rows[-1][name]
    values = [row[name] for row in rows if math.isfinite(row[name])]
    return sum(values) / len(values) if values else math.nan
