"""Alignment: parts that are known beforehand, brought to the times and the tuning of a recording.

A score has other times than a recording of it, another tuning, and often parts that sound an octave
from where they are written. All of it is found by how salient the pitches of the notes are
(``salience``), less the mean of all pitches in the frame:

1. Tuning and shift: of all mistunings within 1.4 semitones and shifts of a few seconds, those with
   the most salient notes.
2. Drift: the notes follow the recording by dynamic time warping on the twelve pitch classes
   (Mueller, Fundamentals of Music Processing, Section 3.2), by librosa.
3. Octaves: each part is tried one and two octaves higher and lower.

Each of them is taken only if the notes are much more salient with it: a pitch track of the very
recording stays as it is.

Axes: ``n`` frames, ``q`` pitches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from musisep_cli.players.given.salience import LOWEST_SEMITONE, STEPS, Grid, Map, roll
from musisep_cli.sound.score.part import Part, Values

LARGEST_MISTUNING = 7
"""Steps of the grid up and down within which the tuning is looked for: 1.4 semitones, for A = 415
Hz is a semitone below 440."""
LONGEST_SHIFT_S = 10.0
"""Longest shift of all notes that is looked for, in s."""
SHIFT_GAIN, WARP_GAIN, OCTAVE_GAIN, TUNING_GAIN = 1.06, 1.12, 1.4, 1.03
"""How much more salient the notes have to be for a shift, a drift, another octave, and another
tuning to be believed."""
OCTAVES = (-2, -1, 1, 2)
"""Octaves that are tried."""
LEAST_INSIDE = 0.25
"""Share of the notes, or of the recording if that is shorter, that should lie in the recording: if
fewer do, they count as if so many did."""
NEARLY = 0.8
"""Share of the best octave's salience from which on another counts as nearly as good."""
SMOOTH_S = 1.0
"""Length in s of the mean by which a path is smoothed: tempo does not change faster."""
STEP_COST = 0.05
"""What a path pays for standing still in one of the two while the other goes on."""
SILENT = 0.05
"""Weight of silence among the pitch classes: silent frames go together with silent ones."""
LEAST_SHIFT_S, LEAST_DRIFT_S = 0.03, 0.05
"""Shifts and drifts in s up to which nothing is said or done: single onsets are mended anyway."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How parts were brought to a recording.

    Attributes:
        parts: the parts, at the recording's times and in its tuning.
        shift_s: by how much all notes came later, in s.
        drift_s: how far the times of score and recording drift apart besides, in s.
        mistuning_cents: how far the recording is above the parts, in cents.
        octaves: octaves by which parts were moved, by their names; only those that were.
        gain: how much more salient the notes are than as they were given.
    """

    parts: tuple[Part, ...]
    shift_s: float = 0.0
    drift_s: float = 0.0
    mistuning_cents: float = 0.0
    octaves: dict[str, int] = field(default_factory=dict)
    gain: float = 1.0

    def words(self) -> list[str]:
        """Return in words what was found, for the user; nothing if all was as given."""
        said = []
        if self.drift_s > LEAST_DRIFT_S:
            said.append(f"its times were warped to the recording, by up to {self.drift_s:.2f} s")
        elif abs(self.shift_s) > LEAST_SHIFT_S:
            way = "later" if self.shift_s > 0 else "earlier"
            said.append(f"all its notes were moved {abs(self.shift_s):.2f} s {way}")
        if abs(self.mistuning_cents) >= 10:
            a4_hz = 440 * 2 ** (self.mistuning_cents / 1200)
            said.append(f"the recording is tuned to A = {a4_hz:.0f} Hz by it")
        for name, octaves in self.octaves.items():
            way, n = ("up" if octaves > 0 else "down"), abs(octaves)
            said.append(f"{name} was moved {n} octave{'s' * (n > 1)} {way}")
        return said


def aligned(
    parts: Sequence[Part],
    found: Map,
    grid: Grid,
    shifts_s: Sequence[float],
    *,
    is_whole: bool = True,
) -> Alignment:
    """Return parts at the times, in the tuning and in the octaves of a recording.

    Args:
        parts: as they were given.
        found: salience of the recording, ``[n, q]``.
        grid: what it is known on.
        shifts_s: shifts that are likely beforehand: each is as good as none.
        is_whole: whether the recording is all of what the parts tell of, not a part of it.
    """
    contrast = found - found.mean(1, keepdims=True)
    start = _started(parts, (0.0, *shifts_s), contrast, grid)
    reference = _fit(start.parts, contrast, grid)
    shifted = _shifted(start, contrast, grid)
    is_moved = abs(shifted.shift_s - start.shift_s) > LEAST_SHIFT_S
    needed = (SHIFT_GAIN if is_moved else TUNING_GAIN) * max(reference, 0)
    steady = shifted if _fit(shifted.parts, contrast, grid) > needed else start
    steady = _in_octaves(steady, contrast, grid)
    # A drift is compared with what is best without it, both in the octaves that suit them.
    warped = _best_warped(start, shifted.mistuning_cents, contrast, grid, is_whole=is_whole)
    needed = WARP_GAIN * max(_fit(steady.parts, contrast, grid), 0)
    drifts = warped.drift_s > LEAST_DRIFT_S and _fit(warped.parts, contrast, grid) > needed
    best = warped if drifts else steady
    gain = _fit(best.parts, contrast, grid) / reference if reference > 0 else np.inf
    return replace(best, gain=float(gain))


def _started(
    parts: Sequence[Part], shifts_s: Sequence[float], contrast: Map, grid: Grid
) -> Alignment:
    """Return the parts with that of a few likely shifts with which they are most salient."""
    tried = [
        Alignment(parts=tuple(part.moved(_later(shift_s)) for part in parts), shift_s=shift_s)
        for shift_s in shifts_s
    ]
    return max(tried, key=lambda way: _fit(way.parts, contrast, grid))


def _best_warped(
    start: Alignment, cents: float, contrast: Map, grid: Grid, *, is_whole: bool
) -> Alignment:
    """Return the parts that follow the recording, from the tuning with which that goes best.

    Args:
        start: the parts, as they were given.
        cents: a mistuning that is tried besides none.
        contrast: salience less its mean in every frame, ``[n, q]``.
        grid: what that is known on.
        is_whole: as of ``aligned``.
    """
    tried = [
        _warped(_tuned(start, mistuning), contrast, grid, is_whole=is_whole)
        for mistuning in dict.fromkeys((0.0, cents))
    ]
    # At the right times the tuning is seen better than before.
    retuned = [_shifted(way, contrast, grid, longest_s=0.0) for way in tried]
    in_octaves = [_in_octaves(way, contrast, grid) for way in (*tried, *retuned)]
    return max(in_octaves, key=lambda way: _fit(way.parts, contrast, grid))


def _later(shift_s: float) -> Callable[[Values], Values]:
    """Return a function that makes times later."""
    return lambda times_s: times_s + shift_s


def _fit(parts: Sequence[Part], contrast: Map, grid: Grid) -> float:
    """Return how salient the notes are, the mean over their places; 0 if none is within."""
    drawn = roll(list(parts), grid)
    # A shift by which most notes lie outside of the recording must not pay.
    total = sum(part.sounding_s for part in parts) / grid.hop_s
    inside = sum(_inside_s(part, grid) for part in parts) / grid.hop_s
    least = LEAST_INSIDE * min(total, len(parts) * len(grid.times_s))
    return float((contrast * drawn).sum()) / max(inside, least, 1e-9)


def _inside_s(part: Part, grid: Grid) -> float:
    """Return how long a part's notes sound within the recording, in s."""
    last_s = float(grid.times_s[-1])
    return sum(max(min(note.offset_s, last_s) - max(note.onset_s, 0.0), 0.0) for note in part.notes)


def _tuned(given: Alignment, cents: float) -> Alignment:
    """Return the parts higher by so many cents."""
    parts = tuple(part.transposed(cents / 100) for part in given.parts)
    return replace(given, parts=parts, mistuning_cents=given.mistuning_cents + cents)


def _shifted(
    given: Alignment, contrast: Map, grid: Grid, longest_s: float = LONGEST_SHIFT_S
) -> Alignment:
    """Return the parts in the tuning and with the shift that make them most salient.

    The sums over all shifts at once are correlations, computed by Fourier transforms.
    """
    drawn = roll(list(given.parts), grid)
    n_frames = len(drawn)
    most = min(int(longest_s / grid.hop_s), n_frames - 1)
    transformed = np.fft.rfft(drawn, 2 * n_frames, axis=0)
    best = (-np.inf, 0, 0)
    for step in range(-LARGEST_MISTUNING, LARGEST_MISTUNING + 1):
        moved = np.fft.rfft(_raised(contrast, -step), 2 * n_frames, axis=0)
        sums = np.fft.irfft((moved * transformed.conj()).sum(1), 2 * n_frames)
        lags = np.arange(-most, most + 1)
        # Of equals the smallest change: less than 1 % for a second, less than 3 % for a semitone.
        penalty = 1 + 0.01 * np.abs(lags) * grid.hop_s + 0.03 * abs(step) / STEPS
        weighed = sums[lags] / penalty
        k = int(weighed.argmax())
        if weighed[k] > best[0]:
            best = (float(weighed[k]), step, int(lags[k]))
    _, step, lag = best
    shift_s = lag * grid.hop_s
    semitones = _between(contrast, drawn, step, lag)
    moved_parts = tuple(part.moved(_later(shift_s)).transposed(semitones) for part in given.parts)
    return replace(
        given,
        parts=moved_parts,
        shift_s=given.shift_s + shift_s,
        mistuning_cents=given.mistuning_cents + 100 * semitones,
    )


def _between(contrast: Map, drawn: Map, step: int, lag: int) -> float:
    """Return the mistuning in semitones around a step, by the parabola through its neighbours."""
    n_frames = len(drawn)
    here, there = (
        slice(max(lag, 0), n_frames + min(lag, 0)),
        slice(max(-lag, 0), n_frames - max(lag, 0)),
    )
    sums = [float((_raised(contrast, -(step + k))[here] * drawn[there]).sum()) for k in (-1, 0, 1)]
    curve = sums[0] - 2 * sums[1] + sums[2]
    offset = 0.5 * (sums[0] - sums[2]) / curve if curve < 0 else 0.0
    return (step + float(np.clip(offset, -0.5, 0.5))) / STEPS


def _raised(values: Map, steps: int) -> Map:
    """Return values ``[n, q]`` so many steps higher on the grid, 0 where nothing comes from."""
    moved = np.zeros_like(values)
    if steps >= 0:
        moved[:, steps:] = values[:, : values.shape[1] - steps]
    else:
        moved[:, :steps] = values[:, -steps:]
    return moved


def _classes(values: Map) -> Map:
    """Return the strengths of the twelve pitch classes and of silence, unit rows ``[n, 13]``."""
    # A key's steps lie around it: those of the grid begin at a key, half a semitone goes each way.
    centred = np.roll(np.maximum(values, 0), STEPS // 2, axis=1)
    keys = centred.reshape(len(values), -1, STEPS).sum(2)
    first = LOWEST_SEMITONE % 12
    classes = np.zeros((len(values), 13))
    for key in range(keys.shape[1]):
        classes[:, (first + key) % 12] += keys[:, key]
    classes[:, :12] /= max(float(classes.max()), 1e-12)
    classes[:, 12] = SILENT
    rows: Map = classes / np.linalg.norm(classes, axis=1, keepdims=True)
    return rows


def _warped(given: Alignment, contrast: Map, grid: Grid, *, is_whole: bool) -> Alignment:
    """Return the parts at times that follow the recording, by dynamic time warping."""
    end_s = max(part.end_s for part in given.parts)
    n_score = int(end_s / grid.hop_s) + 1
    n_most = 2 * len(contrast) + int(LONGEST_SHIFT_S / grid.hop_s)
    times_s = np.arange(min(n_score, n_most), dtype=np.float64) * grid.hop_s
    own = Grid(times_s, grid.semitones)
    path = _path(_classes(roll(list(given.parts), own)), _classes(contrast), is_whole=is_whole)
    if path is None:
        return given
    warp = _warp(path, own, grid)
    onsets = np.array([note.onset_s for part in given.parts for note in part.notes])
    moved = warp(onsets)
    inside = (moved >= 0) & (moved <= grid.times_s[-1])
    if not inside.any():
        return given
    moves = (moved - onsets)[inside]
    drift_s = float(np.abs(moves - np.median(moves)).max())
    return replace(
        given,
        parts=tuple(part.moved(warp) for part in given.parts),
        shift_s=given.shift_s + float(np.median(moves)),
        drift_s=drift_s if drift_s > LEAST_DRIFT_S else float(np.abs(moves).max()),
    )


def _path(score: Map, recording: Map, *, is_whole: bool) -> NDArray[np.int64] | None:
    """Return the cheapest path of pairs of frames ``[k, 2]``; None if there is too little.

    A recording that is not whole may begin and end anywhere in the score.
    """
    import librosa

    if min(len(score), len(recording)) < 2:
        return None
    cost = 1 - recording @ score.T
    added = np.array([0.0, STEP_COST, STEP_COST])
    _, path = librosa.sequence.dtw(C=cost, weights_add=added, subseq=not is_whole)
    pairs: NDArray[np.int64] = path[::-1, ::-1]
    return pairs


def _warp(path: NDArray[np.int64], own: Grid, grid: Grid) -> Callable[[Values], Values]:
    """Return the function from times of the score to those of the recording that a path gives."""
    rows = np.unique(path[:, 0])
    sums = np.bincount(path[:, 0], weights=path[:, 1])
    reached = (sums / np.maximum(np.bincount(path[:, 0]), 1))[rows]
    there_s = np.interp(reached, np.arange(len(grid.times_s)), grid.times_s)
    here_s = own.times_s[rows]
    reach = max(1, int(SMOOTH_S / grid.hop_s / 2))
    # The move and not the time is smoothed, and its ends held: a mean would bend them inwards.
    moves = np.pad(there_s - here_s, reach, mode="edge")
    smooth = np.convolve(moves, np.full(2 * reach + 1, 1 / (2 * reach + 1)), "valid")
    rising = np.maximum.accumulate(here_s + smooth)

    def warp(times_s: Values) -> Values:
        """Return times of the recording."""
        inside = np.interp(times_s, here_s, rising)
        before = np.minimum(times_s - here_s[0], 0)
        after = np.maximum(times_s - here_s[-1], 0)
        moved: Values = inside + before + after
        return moved

    return warp


def _in_octaves(given: Alignment, contrast: Map, grid: Grid) -> Alignment:
    """Return the parts in the octaves in which they are much more salient than in their own."""
    parts, octaves = [], {}
    for part in given.parts:
        own = _fit([part], contrast, grid)
        # What another part is known to play does not speak for another octave of this one.
        taken = roll([other for other in given.parts if other is not part], grid)
        free = contrast * (1 - taken)
        scores = {n: _fit([part.transposed(12 * n)], free, grid) for n in OCTAVES}
        most = max(scores.values())
        if most > 0 and most > OCTAVE_GAIN * own:
            # Of those nearly as good the nearest: two octaves lower every harmonic is met too.
            best = min((n for n in OCTAVES if scores[n] > NEARLY * most), key=abs)
            octaves[part.name] = best
            parts.append(part.transposed(12 * best))
        else:
            parts.append(part)
    return replace(given, parts=tuple(parts), octaves=octaves)
