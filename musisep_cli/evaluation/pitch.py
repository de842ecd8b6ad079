"""Pitch of one take: the tracks found by the separation against the annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from musisep_cli.evaluation.annotations import annotated_tracks, found_tracks
from musisep_cli.evaluation.metrics import (
    MelodyScores,
    MultipitchScores,
    melody_scores,
    multipitch_scores,
)
from musisep_cli.evaluation.signals import Signals


@dataclass(frozen=True, kw_only=True)
class TakePitch:
    """Pitch scores of one take; empty where there is nothing to compare."""

    melody: Mapping[int, MelodyScores] = field(default_factory=dict)
    """By index of the reference."""
    multipitch: MultipitchScores | None = None
    notices: tuple[str, ...] = ()


def score_pitch(signals: Signals, pairs: Sequence[tuple[int, int]]) -> TakePitch:
    """Compares the tracks of the ``pairs`` (reference, stem) that the sound has assigned."""
    found = found_tracks(signals.stems[0].path.parent)
    if not found:
        return TakePitch()
    paths = [track.path for track in signals.references]
    annotated = annotated_tracks(paths, signals.duration_s)
    melody: dict[int, MelodyScores] = {}
    unknown = []
    for i, j in pairs:
        reference, stem = signals.references[i].name, signals.stems[j].name
        if reference not in annotated:
            continue
        if (number := _instrument(stem)) not in found:
            unknown.append(stem)
        elif scores := melody_scores(reference=annotated[reference], estimate=found[number]):
            melody[i] = scores
    multipitch = None
    if len(annotated) == len(signals.references):
        multipitch = multipitch_scores(
            references=list(annotated.values()), estimates=list(found.values())
        )
    notices = [f"{stem}: pitch not scored, pitch.csv has no such number." for stem in unknown]
    return TakePitch(melody=melody, multipitch=multipitch, notices=tuple(notices))


def _instrument(stem: str) -> int:
    """Number of the instrument at the end of a stem's name, 0 without one.

    >>> _instrument("instrument-12"), _instrument("flute")
    (12, 0)
    """
    number = re.search(r"\d+$", stem)
    return int(number.group()) if number else 0
