"""Pitch: found tracks against annotated ones, with mir_eval's melody and multipitch measures.

A pitch counts as right within half a semitone (50 cents).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANGE_HZ = (20.0, 5000.0)
"""Tones that mir_eval's multipitch measures accept; others count as none."""


@dataclass(frozen=True)
class PitchTrack:
    """What one instrument plays over time.

    Attributes:
        time_s: uniform and rising, ``[n]``.
        f0_hz: one column for every simultaneous note, ``[n, v]``. 0 is silence; a negative value
            is the pitch of a frame judged silent, which counts for pitch but not for voicing.
    """

    time_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]

    def at(self, time_s: NDArray[np.float64]) -> PitchTrack:
        """The track at other times: the nearest frame, silence beyond the ends.

        >>> track = PitchTrack(np.array([0.0, 1.0]), np.array([[100.0], [200.0]]))
        >>> track.at(np.array([0.4, 0.6, 5.0])).f0_hz.tolist()
        [[100.0], [200.0], [0.0]]
        """
        step = np.diff(self.time_s).mean() if len(self.time_s) > 1 else 0.0
        middles = (self.time_s[1:] + self.time_s[:-1]) / 2
        nearest = self.f0_hz[np.searchsorted(middles, time_s)]
        inside = (time_s >= self.time_s[0] - step) & (time_s <= self.time_s[-1] + step)
        return PitchTrack(time_s, np.where(inside[:, None], nearest, 0.0))

    def melody(self) -> NDArray[np.float64]:
        """The highest note of every frame, ``[n]``."""
        highest = np.abs(self.f0_hz).argmax(axis=1)
        return np.take_along_axis(self.f0_hz, highest[:, None], axis=1)[:, 0]


@dataclass(frozen=True)
class MelodyScores:
    """One instrument's track, each measure 0 to 1 (Salamon et al., IEEE SPM 31(2), 2014)."""

    raw_pitch_accuracy: float
    """Of the frames in which the reference sounds, those with the right pitch."""
    raw_chroma_accuracy: float
    """The same, with octave errors forgiven."""
    voicing_recall: float
    """Of the frames in which the reference sounds, those found to sound."""
    voicing_false_alarm: float
    """Of the frames in which the reference is silent, those found to sound."""
    overall_accuracy: float
    """Of all frames, those right in both."""


@dataclass(frozen=True)
class MultipitchScores:
    """All instruments together, each measure 0 to 1 (Poliner & Ellis, EURASIP JASP, 2007)."""

    precision: float
    """Of the found pitches, those that are right."""
    recall: float
    """Of the annotated pitches, those that were found."""
    accuracy: float
    """Right ones over right, wrong and missed ones."""


def melody_scores(*, reference: PitchTrack, estimate: PitchTrack) -> MelodyScores | None:
    """Scores ``estimate`` at the times of ``reference``; None where the reference never sounds."""
    from mir_eval import melody

    pitch_hz = reference.melody()
    if not (pitch_hz > 0).any():
        return None
    found_hz = estimate.at(reference.time_s).melody()
    # Sampled at the same times, so mir_eval interpolates nothing.
    voicing = melody.to_cent_voicing(reference.time_s, pitch_hz, reference.time_s, found_hz)
    reference_voicing, _, estimate_voicing, _ = voicing
    return MelodyScores(
        raw_pitch_accuracy=float(melody.raw_pitch_accuracy(*voicing)),
        raw_chroma_accuracy=float(melody.raw_chroma_accuracy(*voicing)),
        voicing_recall=float(melody.voicing_recall(reference_voicing, estimate_voicing)),
        voicing_false_alarm=float(melody.voicing_false_alarm(reference_voicing, estimate_voicing)),
        overall_accuracy=float(melody.overall_accuracy(*voicing)),
    )


def multipitch_scores(
    *, references: Sequence[PitchTrack], estimates: Sequence[PitchTrack]
) -> MultipitchScores | None:
    """Scores all pitches of every frame of the first reference; None where none ever sounds."""
    from mir_eval import multipitch

    time_s = references[0].time_s
    annotated, found = _sounding(references, time_s), _sounding(estimates, time_s)
    if not any(map(len, annotated)):
        return None
    scores = multipitch.evaluate(time_s, annotated, time_s, found)
    return MultipitchScores(scores["Precision"], scores["Recall"], scores["Accuracy"])


def _sounding(
    tracks: Sequence[PitchTrack], time_s: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Sounding pitches of all tracks together, frame by frame."""
    f0_hz = np.concatenate([track.at(time_s).f0_hz for track in tracks], axis=1)
    low, high = RANGE_HZ
    return [row[(row >= low) & (row <= high)] for row in f0_hz]
