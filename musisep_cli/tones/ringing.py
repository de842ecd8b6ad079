"""Ringing: how long notes sound on after they end, in a hall or where strings are not damped.

Decoding has a note end where the next one is louder. In a hall it still sounds under the next one,
and what no tone explains would be shared out by chance. How long that is the recording tells by
itself. Of a note that ends before frame k, those harmonics h are looked at which keep clear of
whatever is played then and around the end; d frames later they have the level

    L_d = 10 log10(sum_h P[k + d, f_h] / sum_h P[k - 2, f_h]),                                  (1)

P being the power at the nearest bins. The median of L_d over the notes falls at once in a dry
recording, and slowly in a hall. Notes ring for as many frames as it stays above ``LEAST_DB``, of
the voice that rings least, for a hall is the same for all. What rises again is no sound that dies
away, but noise or a tone that was not found; then nothing is taken to ring.

Not in the paper. What it gains: docs/tries.md, "Notes that ring on".

Axes: ``n`` frames, ``v`` voices, ``f`` bins, ``h`` harmonics, ``d`` frames after an end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.tones import Tones, note_steps

LEAST_DB = -12.0
"""Level, relative to that before the end, down to which a note is followed. Lower down breath and
vibrato of what is played lie between its harmonics, which do not fall."""
MOST_RISE_DB = 4.0
"""Most that the level may rise above the least before, by chance."""
LONGEST_S = 0.45
"""Seconds after which no note is followed: by then others have ended, and of each voice only the
last note that has ended is fitted."""
LEAST_NOTE_S = 0.12
"""Least length of a note in seconds, for its level before the end to be its own."""
MOST_ENDS, FEWEST_ENDS = 300, 8
"""Most ends of notes that are looked at, from all over the recording, and fewest of a voice that
tell."""
N_HARMONICS = 10
"""Harmonics of an ended note that are looked at: higher ones are faint."""
N_COVERING = 30
"""Harmonics of what is played that cover others."""
CLEAR_WIDTHS = 4.0
"""Distance from the harmonics of what is played, in widths of a peak, at which one keeps clear."""
BEFORE = 2
"""Frames before its end in which a note's level is taken: the window does not reach over it."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _End:
    """The end of a note: the first frame without it, its voice, and its pitch in bins."""

    frame: int
    voice: int
    f0_bins: float


def with_ringing(notes: NotesAround, spectra: Framewise[Tensor], frame: GaborFrame) -> NotesAround:
    """Return notes that reach as far as they ring on in this recording, if that is farther.

    They reach as far forward: under a note that rings, the next one is often found late.

    Args:
        notes: of all frames.
        spectra: of all frames, ``[n, f]``.
        frame: the representation.
    """
    return replace(notes, reach=max(notes.reach, ringing_frames(notes.tones, spectra, frame)))


def ringing_frames(tones: Framewise[Tones], spectra: Framewise[Tensor], frame: GaborFrame) -> int:
    """Return for how many frames notes sound on after they end, 0 where that cannot be told.

    Args:
        tones: what the voices play in all frames, ``[n, v]``.
        spectra: of all frames, ``[n, f]``.
        frame: the representation.
    """
    hop_s = frame.hop_samples / frame.sample_rate_hz
    longest = round(LONGEST_S / hop_s)
    played = tones[0 : len(tones)]
    by_voice = _ends(played, max(round(LEAST_NOTE_S / hop_s), BEFORE + 1))
    most = MOST_ENDS // max(len(by_voice), 1)
    found = []
    for ends in by_voice:
        if len(ends) >= FEWEST_ENDS:
            chosen = np.linspace(0, len(ends) - 1, min(len(ends), most)).astype(int)
            levels_db = [_levels_db(ends[i], tones, spectra, frame, longest) for i in chosen]
            found.append(_frames_above(np.stack(levels_db)))
    return min(found, default=0)


def _frames_above(levels_db: Array) -> int:
    """Return for how many frames the median of ``[ends, d]`` stays above the least; 0 if it rises.

    >>> falling = np.tile([-3.0, -6.0, -9.0, -13.0], (8, 1))
    >>> _frames_above(falling), _frames_above(falling[:, [2, 0, 1, 3]])
    (3, 0)
    """
    least_db = np.inf
    for distance, values in enumerate(levels_db.T):
        told = values[np.isfinite(values)]
        level_db = np.median(told) if len(told) >= FEWEST_ENDS else -np.inf
        if level_db < LEAST_DB:
            return distance
        least_db = min(least_db, level_db)
        if level_db > least_db + MOST_RISE_DB:
            return 0
    return int(levels_db.shape[1])


def _ends(tones: Tones, shortest: int) -> list[list[_End]]:
    """Return the ends of all notes of at least so many frames, of every voice in their order."""
    _, steps_on = note_steps(tones)
    on, f0_bins, goes_on = (
        values.cpu().numpy() for values in (tones.on > 0, tones.f0_bins, steps_on)
    )
    found = []
    for voice in range(on.shape[1]):
        notes = _notes(on[:, voice], goes_on[:, voice])
        found.append(
            [
                _End(note.stop, voice, float(np.median(f0_bins[note, voice])))
                for note in notes
                if note.stop - note.start >= shortest and note.stop < len(on)
            ]
        )
    return found


def _notes(on: NDArray[np.bool_], goes_on: NDArray[np.bool_]) -> list[slice]:
    """Return the frames of each note of one voice.

    Args:
        on: whether it plays, ``[n]``.
        goes_on: whether its note goes on in the next frame, ``[n - 1]``.
    """
    starts = np.flatnonzero(on & ~np.concatenate([[False], goes_on]))
    stops = np.flatnonzero(on & ~np.concatenate([goes_on, [False]])) + 1
    return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]


def _levels_db(
    end: _End,
    tones: Framewise[Tones],
    spectra: Framewise[Tensor],
    frame: GaborFrame,
    longest: int,
) -> Array:
    """Return (1) of one end for d = 0, 1, ..., ``[d]``; NaN where no harmonic keeps clear."""
    found = np.full(longest, np.nan)
    first = end.frame - BEFORE
    part = slice(first, min(end.frame + longest, len(spectra)))
    power = spectra[part].abs().square().cpu().numpy()  # n, f
    played = tones[part]
    on, f0_bins = (values.cpu().numpy() for values in (played.on > 0, played.f0_bins))
    harmonics = end.f0_bins * np.arange(1, N_HARMONICS + 1)
    harmonics = harmonics[harmonics < power.shape[1] - 2]
    clear_bins = CLEAR_WIDTHS * frame.ideal_width_bins
    others = np.arange(on.shape[1]) != end.voice
    free_before = _clear(harmonics, f0_bins[0, others & on[0]], clear_bins)
    bins = harmonics.round().astype(int)[:, None] + np.arange(-1, 2)
    at = power[:, bins].max(-1)  # n, h
    for distance, row in enumerate(range(BEFORE, len(power))):
        free = free_before & _clear(harmonics, f0_bins[row, on[row]], clear_bins)
        before = at[0, free].sum()
        if free.any() and before > 0:
            found[distance] = 10 * np.log10(max(at[row, free].sum() / before, 1e-12))  # (1)
    return found


def _clear(harmonics: Array, f0_bins: NDArray[np.floating], clear_bins: float) -> NDArray[np.bool_]:
    """Return which harmonics ``[h]`` keep clear of those of tones at some pitches."""
    covering = (f0_bins[:, None] * np.arange(1, N_COVERING + 1)).ravel()
    if not len(covering):
        return np.ones(len(harmonics), np.bool_)
    clear: NDArray[np.bool_] = (
        np.abs(harmonics[:, None] - covering).min(1, initial=np.inf) > clear_bins
    )
    return clear
