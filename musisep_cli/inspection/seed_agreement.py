r"""Agreement of seeds: how far they tell the same tale of who plays what, frame by frame.

Where seeds contradict each other at most one of them is right; nobody needs to know the truth for
that. Where all say the same they may be wrong together, so it is a hint and no measure of quality.

1. In a frame seed s has the tones of those instruments that sound (rule 1 of the note list). Two
   tones of two seeds are the same if less than 0.7 semitones lie between them.
2. Instruments are counted differently in every seed. Those of seed r are matched to those of seed s
   one to one, so that in as many frames as possible matched instruments play the same tone.
3. With m tones in a frame that matched instruments have in common, and of a and b tones in all,

       agreement_sr[n] = 2 m / (a + b),

   1 where both say the same and 0 where nothing agrees; it is not defined where neither plays.
4. The agreement of a seed is its mean over the other seeds.

Axes: ``s`` seeds, ``i`` instruments, ``n`` frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from musisep_cli.errors import InputError
from musisep_cli.inspection.note_list import sounding
from musisep_cli.inspection.separation import Separation, read_pitch
from musisep_cli.run.folder.tables import PITCH
from musisep_cli.sound.pitch import midi_number
from musisep_cli.tones.tones import NOTE_SEMITONES
from musisep_cli.tones.tracks import PitchTracks

Values = NDArray[np.float64]

STRETCH_S = 1.0
"""Length in s over which the agreement is averaged before a stretch is called doubtful: a few
frames around an onset, where seeds differ by a hop, are no doubt."""
DOUBTFUL = 0.6
"""Agreement, 0 to 1, below which a stretch is marked."""


@dataclass(frozen=True, kw_only=True)
class SeedAgreement:
    """How far the seeds of a run agree.

    Attributes:
        seeds: their numbers, ``[s]``.
        times_s: frame centres, ``[n]``.
        by_frame: of each seed with the others, 0 to 1; NaN where nothing sounds, ``[s, n]``.
        matching: instrument of each seed that is instrument i of the first one, ``[s, i]``.
    """

    seeds: tuple[int, ...]
    times_s: Values
    by_frame: Values
    matching: NDArray[np.intp]

    def share(self, seed: int) -> float | None:
        """Return the mean over all frames of a seed, 0 to 1; None if nothing sounds."""
        return _mean(self.by_frame[self.seeds.index(seed)])

    def doubts(self, seed: int) -> list[tuple[float, float, float]]:
        """Return the stretches in which a seed is contradicted: start and end in s, agreement."""
        line = self.by_frame[self.seeds.index(seed)]
        around = _smoothed(line, max(1, round(STRETCH_S / self._hop_s)))
        low = np.nan_to_num(around, nan=1.0) < DOUBTFUL
        edges = np.flatnonzero(np.diff(low, prepend=False, append=False))
        half_s = self._hop_s / 2
        return [
            (
                max(0.0, float(self.times_s[a]) - half_s),
                float(self.times_s[b - 1]) + half_s,
                _mean(around[a:b]) or 0.0,
            )
            for a, b in zip(edges[::2], edges[1::2], strict=True)
        ]

    @property
    def _hop_s(self) -> float:
        return float(np.diff(self.times_s).mean()) if len(self.times_s) > 1 else STRETCH_S


def seed_agreement(separation: Separation) -> SeedAgreement | None:
    """Return how far the seeds of a finished run agree, the chosen one first.

    None if there are not two seeds whose pitch tracks can be read, or where none finds a pitch.
    """
    chosen = separation.manifest["chosen_seed"]
    others = [row["seed"] for row in separation.manifest["ranking"] if row["seed"] != chosen]
    tracks = {}
    for seed in [chosen, *others]:
        with suppress(InputError):
            tracks[seed] = read_pitch(separation.seed_folder(seed) / PITCH)
    return agreement_of(tracks) if chosen in tracks else None


def agreement_of(tracks: Mapping[int, PitchTracks]) -> SeedAgreement | None:
    """Return how far seeds agree; None for fewer than two seeds, or where none finds a pitch.

    Args:
        tracks: seed -> what its instruments play; all of them in the same frames. Of a chord the
            loudest tone counts.
    """
    tracks = {seed: each.of_loudest() for seed, each in tracks.items()}
    first, *_ = tracks.values()
    if any(each.f0_hz.shape != first.f0_hz.shape for each in tracks.values()):
        return None
    heard = {seed: sounding(each) for seed, each in tracks.items()}
    if len(tracks) < 2 or not any(each.any() for each in heard.values()):
        return None
    pitches = {seed: _pitches(each, heard[seed]) for seed, each in tracks.items()}
    seeds = tuple(tracks)
    rows = [
        _mean_of(
            np.array([_pair(pitches[seed], pitches[other])[1] for other in seeds if other != seed])
        )
        for seed in seeds
    ]
    return SeedAgreement(
        seeds=seeds,
        times_s=first.times_s,
        by_frame=np.array(rows),
        matching=np.array([_pair(pitches[seeds[0]], pitches[seed])[0] for seed in seeds]),
    )


def _pitches(tracks: PitchTracks, heard: NDArray[np.bool_]) -> Values:
    """Return the pitch of every instrument as a MIDI number, NaN where it rests, ``[i, n]``."""
    pitches: Values = midi_number(np.where(heard, tracks.f0_hz, np.nan).astype(np.float64))
    return pitches


def _pair(own: Values, other: Values) -> tuple[NDArray[np.intp], Values]:
    """Match the instruments of two seeds, and compare them.

    Args:
        own: pitches of one seed, NaN where nothing plays, ``[i, n]``.
        other: pitches of the other.

    Returns:
        The instrument of the other seed that plays what instrument i plays, ``[i]``, and the
        agreement of every frame, ``[n]``.

    >>> own = np.array([[60.0, 60.0], [72.0, np.nan]])
    >>> matching, agreement = _pair(own, own[::-1] + [0.1, 5.0])
    >>> matching.tolist(), agreement.tolist()
    ([1, 0], [1.0, 0.0])
    """
    # A comparison with NaN is false: a tone is never the same as none.
    same = np.abs(own[:, None] - other[None]) < NOTE_SEMITONES  # [i, i, n]
    _, matching = linear_sum_assignment(same.sum(2), maximize=True)  # rule 2
    in_common = same[np.arange(len(own)), matching].sum(0)
    n_tones = np.isfinite(own).sum(0) + np.isfinite(other).sum(0)
    agreement = np.full(own.shape[1], np.nan)
    np.divide(2 * in_common, n_tones, out=agreement, where=n_tones > 0)  # rule 3
    return matching, agreement


def _mean_of(lines: Values) -> Values:
    """Return the mean of several lines ``[s, n]`` in every frame, of those that are defined.

    >>> _mean_of(np.array([[1.0, np.nan], [0.0, np.nan]])).tolist()
    [0.5, nan]
    """
    count = np.isfinite(lines).sum(0)
    mean = np.full(lines.shape[1], np.nan)
    np.divide(np.nansum(lines, 0), count, out=mean, where=count > 0)
    return mean


def _mean(values: Values) -> float | None:
    """Return the mean of the values that are defined; None if there are none."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else None


def _smoothed(values: Values, size: int) -> Values:
    """Return the mean over the frames around each, of those that are defined; NaN if none is.

    >>> _smoothed(np.array([1.0, 0.0, np.nan, np.nan, np.nan]), 3).tolist()
    [0.5, 0.5, 0.0, nan, nan]
    """
    reach = min(size, len(values)) // 2
    window, ends = np.ones(2 * reach + 1), (reach, reach)
    total = np.convolve(np.pad(np.nan_to_num(values), ends), window, "valid")
    count = np.convolve(np.pad(np.isfinite(values).astype(float), ends), window, "valid")
    smooth = np.full(len(values), np.nan)
    np.divide(total, count, out=smooth, where=count > 0.5)
    return smooth
