"""Pitch: scores of found pitch tracks against annotated ones, by mir_eval.

A found pitch counts as right within half a semitone (50 cents) of the annotated one.

Axes: ``n`` frames, ``v`` notes that sound at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANGE_HZ = (20.0, 5000.0)
"""Lowest and highest pitch in Hz that mir_eval's multipitch measures accept; no other is scored."""


@dataclass(frozen=True)
class PitchTrack:
    """The pitches of one instrument over time.

    Attributes:
        time_s: time of every frame in s, uniform and rising, ``[n]``.
        f0_hz: pitches in Hz, one column for every note that sounds at once, ``[n, v]``. 0 is
            silence. A negative value is the pitch of a frame that was found to be silent: it is
            scored as a pitch, but not as a sounding frame.
    """

    time_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]

    def part(self, start_s: float, stop_s: float) -> PitchTrack:
        """Return the track between two times in s, from 0 on.

        >>> track = PitchTrack(np.arange(4.0), np.array([[100.0], [200.0], [300.0], [0.0]]))
        >>> part = track.part(1.0, 3.0)
        >>> part.time_s.tolist(), part.f0_hz.ravel().tolist()
        ([0.0, 1.0], [200.0, 300.0])
        """
        inside = (self.time_s >= start_s) & (self.time_s < stop_s)
        return PitchTrack(self.time_s[inside] - start_s, self.f0_hz[inside])

    def at(self, time_s: NDArray[np.float64]) -> PitchTrack:
        """Return the track at other times (in s): the nearest frame, and silence beyond the ends.

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
        """Return the highest note of every frame with its sign, in Hz, ``[n]``."""
        highest = np.abs(self.f0_hz).argmax(axis=1)
        return np.take_along_axis(self.f0_hz, highest[:, None], axis=1)[:, 0]


@dataclass(frozen=True)
class MelodyScores:
    """Scores of one instrument's track, each from 0 to 1 (Salamon et al., IEEE SPM 31(2), 2014)."""

    raw_pitch_accuracy: float
    """Share of frames with the right pitch, among those in which the reference sounds."""
    raw_chroma_accuracy: float
    """Share of frames with the right pitch up to octaves, among the same frames."""
    voicing_recall: float
    """Share of frames that were found to sound, among those in which the reference sounds."""
    voicing_false_alarm: float
    """Share of frames that were found to sound, among those in which the reference is silent."""
    overall_accuracy: float
    """Share of all frames in which both the pitch and whether it sounds are right."""


@dataclass(frozen=True)
class MultipitchScores:
    """Scores of all instruments together, each from 0 to 1 (Poliner & Ellis, EURASIP JASP 2007)."""

    precision: float
    """Share of right pitches among those that were found."""
    recall: float
    """Share of found pitches among those that are annotated."""
    accuracy: float
    """Number of right pitches over that of right, wrong and missed ones."""


def melody_scores(*, reference: PitchTrack, estimate: PitchTrack) -> MelodyScores | None:
    """Score a pitch track at the times of its reference, by the highest note of every frame.

    Args:
        reference: the annotated track.
        estimate: the found track.

    Returns:
        The scores; None if the reference never sounds.
    """
    from mir_eval import melody

    pitch_hz = reference.melody()
    if not (pitch_hz > 0).any():
        return None
    found_hz = estimate.at(reference.time_s).melody()
    # Both tracks have the same times here, so mir_eval does not interpolate.
    voicing = melody.to_cent_voicing(reference.time_s, pitch_hz, reference.time_s, found_hz)
    reference_voicing, _, estimate_voicing, _ = voicing
    with warnings.catch_warnings():
        # mir_eval warns of a track that never sounds; its scores, of voicing 0, say that already.
        warnings.simplefilter("ignore", UserWarning)
        return MelodyScores(
            raw_pitch_accuracy=float(melody.raw_pitch_accuracy(*voicing)),
            raw_chroma_accuracy=float(melody.raw_chroma_accuracy(*voicing)),
            voicing_recall=float(melody.voicing_recall(reference_voicing, estimate_voicing)),
            voicing_false_alarm=float(
                melody.voicing_false_alarm(reference_voicing, estimate_voicing)
            ),
            overall_accuracy=float(melody.overall_accuracy(*voicing)),
        )


def multipitch_scores(
    *, references: Sequence[PitchTrack], estimates: Sequence[PitchTrack]
) -> MultipitchScores | None:
    """Score the pitches of all tracks together at the times of the first reference.

    Args:
        references: the annotated tracks, at least one.
        estimates: the found tracks, at least one.

    Returns:
        The scores; None if no reference ever sounds.
    """
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
    """Return the sounding pitches of all tracks in every frame, in Hz."""
    f0_hz = np.concatenate([track.at(time_s).f0_hz for track in tracks], axis=1)
    low, high = RANGE_HZ
    return [row[(row >= low) & (row <= high)] for row in f0_hz]
