"""Pitch of a take: scores of the found pitch tracks against the annotated ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from musisep_cli.evaluation.annotations import annotated_tracks, found_names, found_tracks
from musisep_cli.evaluation.metrics import (
    MelodyScores,
    MultipitchScores,
    melody_scores,
    multipitch_scores,
)
from musisep_cli.evaluation.signals import Signals


@dataclass(frozen=True, kw_only=True)
class TakePitch:
    """Pitch scores of one take; empty where there is nothing to compare.

    Attributes:
        melody: index of a reference to the scores of its pitch track.
        multipitch: scores of all tracks together; None unless every reference is annotated.
        notices: what the user should know of them.
    """

    melody: Mapping[int, MelodyScores] = field(default_factory=dict)
    multipitch: MultipitchScores | None = None
    notices: tuple[str, ...] = ()


def score_pitch(signals: Signals, pairs: Sequence[tuple[int, int]]) -> TakePitch:
    """Score the pitch tracks of stems against those of the references they are assigned to.

    Args:
        signals: the tracks of a take; the annotations lie beside the references, and the found
            pitches beside the stems.
        pairs: index of a reference and of its stem, as assigned by the sound.

    Raises:
        InputError: a file of pitches is damaged.
    """
    folder = signals.stems[0].path.parent
    found, names = found_tracks(folder), found_names(folder)
    if not found:
        return TakePitch()
    paths = [track.path for track in signals.references]
    annotated = annotated_tracks(paths, signals.duration_s, signals.part_start_s)
    melody: dict[int, MelodyScores] = {}
    unknown = []
    for i, j in pairs:
        reference, stem = signals.references[i].name, signals.stems[j].name
        if reference not in annotated:
            continue
        if (number := _instrument(stem, names)) not in found:
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


def _instrument(stem: str, names: Mapping[str, int]) -> int:
    """Return the number of the instrument of a stem, 0 if it is not known.

    It is that of the longest known name at the end of the stem's; where no names are known the
    number at its end.

    >>> _instrument("instrument-12", {}), _instrument("flute", {})
    (12, 0)
    >>> _instrument("mix-violin1", {"violin1": 2, "violin2": 1, "n1": 4})
    2
    """
    known = [name for name in names if stem.endswith(name)]
    if names:
        return names[max(known, key=len)] if known else 0
    number = re.search(r"\d+$", stem)
    return int(number.group()) if number else 0
