"""Onsets: notes that begin where their sound does, a little before or after what is written.

The strength of a note's pitch rises where it begins. For a time t around the written onset t_0,

    D(t) = mean of the strength in (t, t + w] - mean in [t - w, t),   w = 0.1 s,                 (1)

is largest at the rise. The note is moved there only if the rise is clear and much larger than at
t_0: where a note is tied to one of the same pitch there is none, and what is written is kept. A
note sounds on after its written end, for strings and rooms do, as long as its pitch is strong.

Axes: ``n`` frames, ``o`` pitches around a note's, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.frames.spectra import Spectra
from musisep_cli.players.given.salience import N_HARMONICS
from musisep_cli.players.path import go_on
from musisep_cli.sound.score.part import KnownNote, Part, Values
from musisep_cli.tones.joint_fit import comb_strength
from musisep_cli.tones.peaks import magnitude

REACH_S = 0.2
"""How far from what is written an onset is looked for, in s."""
STEP_S = 0.1
"""w of (1), in s."""
LIKELY_S = 0.12
"""Standard deviation in s of what an onset is expected to be off: far ones must rise more."""
LEAST_RISE, LEAST_GAIN = 0.35, 1.5
"""Least rise, relative to the note's own strength, and relative to the rise where it is written, by
which an onset is moved."""
LEAST_MOVE_S = 0.05
"""Moves up to this are not made, in s: frames tell times apart no better."""
LONGEST_TAIL_S = 0.5
"""How long a note may sound on after its written end, in s."""
TAIL_SHARE = 0.15
"""Share of the note's strength above which it is taken to sound on: 16 dB below."""
LEGATO_S = 0.12
"""Overlap in s up to which two notes are one after the other, not together."""
NEAR_SEMITONES = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""Distances in semitones at which the pitch of a note may be found."""


def mended(
    voices: list[list[KnownNote]], spectra: Spectra, pause: Callable[[], None] = go_on
) -> list[list[KnownNote]]:
    """Return notes with their onsets where their sound begins, and with their tails.

    Notes that lie outside of the recording are left out.

    Args:
        voices: of every voice the notes in order, none of which overlap.
        spectra: of the recording.
        pause: called note after note; may raise to end the work.
    """
    return [_voice(notes, spectra, pause) for notes in voices]


def _voice(notes: list[KnownNote], spectra: Spectra, pause: Callable[[], None]) -> list[KnownNote]:
    """Return the notes of one voice, mended one after another."""
    found: list[KnownNote] = []
    length_s = len(spectra.mean) / spectra.frame.sample_rate_hz
    for k, note in enumerate(notes):
        if note.offset_s <= 0 or note.onset_s >= length_s:
            continue
        pause()
        earliest_s = notes[k - 1].onset_s if k else -np.inf
        begun = _with_onset(note, spectra, earliest_s)
        if found and begun.onset_s < found[-1].offset_s:
            found[-1] = replace(found[-1], offset_s=max(begun.onset_s, found[-1].onset_s))
        latest_s = notes[k + 1].onset_s if k + 1 < len(notes) else np.inf
        found.append(_with_tail(begun, spectra, latest_s))
    return found


@dataclass(frozen=True)
class _Strength:
    """The strength of a note's pitch around it.

    Attributes:
        times_s: of the frames, ``[n]``.
        values: ``[n]``.
    """

    times_s: NDArray[np.float64]
    values: Values

    @classmethod
    def around(cls, note: KnownNote, spectra: Spectra, first_s: float, last_s: float) -> _Strength:
        """Return the strength of a note's pitch between two times."""
        frame = spectra.frame
        hop_s = frame.hop_samples / frame.sample_rate_hz
        first = max(round(first_s / hop_s), 0)
        last = min(max(round(last_s / hop_s) + 1, first + 1), len(spectra))
        centres = spectra.centres[first:last]
        times_s = centres.cpu().numpy().astype(np.float64) / frame.sample_rate_hz
        if not len(times_s):
            return cls(times_s, np.zeros(0))
        heard = magnitude(frame.analyse(spectra.mean, centres)[:, : frame.n_network_bins])
        semitones = note.at(times_s)[:, None] + np.array(NEAR_SEMITONES)
        f0_bins = 440 * 2 ** ((semitones - 69) / 12) / frame.bin_hz
        pitches = torch.from_numpy(f0_bins).to(heard)
        n = min(N_HARMONICS, max(1, int(frame.n_network_bins / float(f0_bins.max()))))
        none = heard.new_zeros(len(heard))
        total = comb_strength(heard, pitches, none, n_harmonics=n)
        return cls(times_s, total.amax(1).cpu().numpy())

    def mean(self, first_s: float, last_s: float) -> float:
        """Return the mean between two times; NaN if no frame lies there."""
        inside = (self.times_s >= first_s) & (self.times_s <= last_s)
        return float(self.values[inside].mean()) if inside.any() else np.nan


def _with_onset(note: KnownNote, spectra: Spectra, earliest_s: float) -> KnownNote:
    """Return a note with its onset where its strength rises, if that is clear."""
    reach = REACH_S + STEP_S
    strength = _Strength.around(note, spectra, note.onset_s - reach, note.onset_s + reach)
    own = strength.mean(note.onset_s, max(min(note.offset_s, note.onset_s + reach), note.onset_s))
    tried = strength.times_s[np.abs(strength.times_s - note.onset_s) <= REACH_S]
    tried = tried[(tried > earliest_s) & (tried < note.offset_s)]
    if not len(tried) or not own > 0:
        return note
    rises = np.nan_to_num([_rise(strength, time_s) for time_s in tried], nan=-np.inf)
    likely = np.exp(-0.5 * np.square((tried - note.onset_s) / LIKELY_S))
    best = int((rises * np.where(rises > 0, likely, 1.0)).argmax())
    while 0 < best < len(rises) - 1 and max(rises[best - 1], rises[best + 1]) > rises[best]:
        best += 1 if rises[best + 1] > rises[best - 1] else -1  # to the top of that rise
    here = _rise(strength, note.onset_s)
    is_clear = rises[best] > LEAST_RISE * own and rises[best] > LEAST_GAIN * np.nan_to_num(here)
    if not is_clear or abs(tried[best] - note.onset_s) <= LEAST_MOVE_S:
        return note
    return replace(note, onset_s=float(tried[best]))


def _rise(strength: _Strength, time_s: float) -> float:
    """Return (1) at a time; what lies before the recording counts as silence."""
    after = strength.mean(time_s + 1e-6, time_s + STEP_S)
    before = strength.mean(time_s - STEP_S, time_s - 1e-6)
    return after - (0.0 if np.isnan(before) else before)


def _with_tail(note: KnownNote, spectra: Spectra, latest_s: float) -> KnownNote:
    """Return a note that ends where its strength falls off, at the next note at the latest."""
    last_s = min(note.offset_s + LONGEST_TAIL_S, latest_s)
    if last_s <= note.offset_s:
        return note
    strength = _Strength.around(note, spectra, note.offset_s - STEP_S, last_s)
    own = strength.mean(max(note.offset_s - STEP_S, note.onset_s), note.offset_s)
    after = strength.times_s > note.offset_s
    weak = np.flatnonzero(after & (strength.values < TAIL_SHARE * own))
    end_s = float(strength.times_s[weak[0]]) if len(weak) else last_s
    return replace(note, offset_s=max(min(end_s, last_s), note.offset_s)) if own > 0 else note


def without_overlaps(part: Part, most: int) -> tuple[list[list[KnownNote]], int]:
    """Return the notes of a part in voices in which none overlap, and how many did not fit in.

    A note that only just reaches into the next one is played legato: it ends where that begins.

    Args:
        part: notes in order of their onsets.
        most: largest number of voices.

    >>> played = (0, 1.05, 60), (1, 2, 62), (1, 3, 69)
    >>> notes = [KnownNote.steady(*each) for each in played]
    >>> voices, n_left = without_overlaps(Part(name="a", notes=tuple(notes)), 2)
    >>> [[(note.onset_s, note.offset_s) for note in voice] for voice in voices], n_left
    ([[(0, 1), (1, 2)], [(1, 3)]], 0)
    """
    voices: list[list[KnownNote]] = []
    n_left = 0
    for note in part.notes:
        free = [
            voice
            for voice in voices
            if voice[-1].offset_s - note.onset_s
            <= min(LEGATO_S, 0.5 * (voice[-1].offset_s - voice[-1].onset_s))
        ]
        if free:
            # The voice whose last note is nearest in pitch goes on: as hands and strings do.
            nearest = min(
                free, key=lambda voice: abs(voice[-1].middle_semitones - note.middle_semitones)
            )
            if nearest[-1].offset_s > note.onset_s:
                nearest[-1] = replace(nearest[-1], offset_s=note.onset_s)
            nearest.append(note)
        elif len(voices) < most:
            voices.append([note])
        else:
            n_left += 1
    return voices, n_left
