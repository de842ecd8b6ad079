"""Sounding: which of the notes that are written around a frame sounds in it.

A note seldom begins and ends where it is written: bows and breath are slow, strings and rooms ring
on, players are early and late. So the frames decide. Of every voice it is open, near the beginning
and the end of a note, whether that note sounds, the one before, the one after, or none. With the
misfit m_n of all tones of a frame and the say w_n of the frame (``explained``), those times t_j at
which its notes begin and u_j at which they end are taken, in their order, that cost least:

    sum_n (weight w_n m_n + least [a note sounds])
        + sum_j ((t_j - onset_j) / likely)^2 / 2 + (max(0, offset_j - u_j) / early)^2 / 2,      (1)

by Viterbi's algorithm. To end late costs nothing, nor to end early where the next note follows at
once. Voices are decided one after the other, the others as they were decided last.

Axes: ``n`` frames, ``k`` voices, ``p`` states of a frame. State 2 j of a voice is the rest before
note j, state 2 j + 1 is note j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import Derived
from musisep_cli.frames.spool import Spool
from musisep_cli.players.given.explained import Explained
from musisep_cli.players.given.tones import KnownTones, bins_of, followed
from musisep_cli.players.viterbi import cheapest_path
from musisep_cli.sound.score.part import KnownNote, Values

WEIGHT_MISFIT, LEAST = 10.0, 0.05
"""Weights in (1) of a frame that its tones do not explain at all, as in blind decoding, and of one
in which a note sounds: what it explains must be worth that."""
LIKELY_S, EARLY_S = 0.12, 0.2
"""Standard deviations in s of what a note is expected to be off where it begins, and where it ends
early before a rest."""
REACH_S = 0.2
"""How far from what is written a note may begin, in s."""
LONGEST_TAIL_S, EARLIEST_S = 0.5, 0.6
"""How long after its written end a note may sound, and how long before it it may end, in s."""
SWEEPS = 2
"""How often every voice is decided."""
IMPOSSIBLE = 1e6
"""Cost of what cannot be: more than any path pays."""


def where_they_sound(
    known: KnownTones,
    written: Sequence[Sequence[KnownNote]],
    explained: Explained,
    reached: Callable[[float], None] = lambda _: None,
) -> KnownTones:
    """Return the tones of notes in the frames in which they sound, in tune.

    Args:
        known: the tones of all voices, as they are written.
        written: the notes of every voice that are to be moved, none of which overlap, ``[k]``;
            none of a voice that stays as it is.
        explained: the recording, and how tones are fitted to it.
        reached: called with the share of the work that is done.
    """
    n_steps = SWEEPS + 1
    cents = followed(known, explained, lambda share: reached(share / n_steps))
    in_tune = known.semitones + cents / 100
    found = replace(
        known, on=known.on.copy(), notes=known.notes.copy(), semitones=in_tune.astype(np.float32)
    )
    times_s = explained.times_s
    lines = [(k, Line.of(notes, times_s)) for k, notes in enumerate(written) if notes]
    voices = [(k, line, line.pitches(in_tune[:, k])) for k, line in lines]
    for sweep in range(SWEEPS):
        for number, (k, voice, pitches) in enumerate(voices):
            reached((1 + sweep + number / len(voices)) / n_steps)
            path = voice.path(_misfits(voice, k, pitches, found, explained))
            chosen = np.arange(len(path)), path - voice.first
            found.on[:, k] = path % 2 == 1
            found.notes[:, k] = np.where(found.on[:, k], path // 2, -1)
            found.semitones[:, k] = pitches[chosen]
    return found


def _misfits(
    voice: Line, k: int, pitches: Values, known: KnownTones, explained: Explained
) -> Values:
    """Return the misfits of all states of a voice, 0 where one alone is possible, ``[n, p]``.

    Each is multiplied by how much say the frame has.

    Args:
        voice: its states.
        k: its number.
        pitches: MIDI numbers of its states, ``[n, p]``.
        known: the tones of all voices.
        explained: the recording, and how tones are fitted to it.
    """
    names, tones = voice.names, known.tones(explained.spectra)
    is_open = (voice.last > voice.first)[:, None] & (names <= voice.last[:, None])
    rows, columns = np.nonzero(is_open & (names % 2 == 1))
    f0_bins = bins_of(pitches[rows, columns, None], explained.spectra.frame)
    sounding = np.ones(f0_bins.shape, bool)
    found = np.zeros(names.shape)
    found[rows, columns] = explained.misfits(tones, k, rows, sounding, f0_bins)[:, 0]
    in_doubt = np.flatnonzero(is_open.any(1))
    silent = np.zeros((len(in_doubt), 1), bool)
    resting = explained.misfits(tones, k, in_doubt, silent, np.ones(silent.shape))
    found[in_doubt] = np.where(names[in_doubt] % 2, found[in_doubt], resting)
    return explained.says[:, None] * found


@dataclass(frozen=True)
class Line:
    """The states of one voice in all frames.

    Attributes:
        notes: in their order; none of them overlap.
        times_s: centres of the frames, ``[n]``.
        first: number of the first state that is possible in a frame, ``[n]``.
        last: number of the last one, ``[n]``.
    """

    notes: Sequence[KnownNote]
    times_s: Values
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, notes: Sequence[KnownNote], times_s: Values) -> Line:
        """Return the states of a voice with some notes, one at least."""
        onsets, offsets = _written(notes)
        before, after = np.append(-np.inf, onsets[:-1]), np.append(onsets[1:], np.inf)
        # When each state may be at the earliest and at the latest: rests and notes in turn.
        n_states = 2 * len(notes) + 1
        earliest, latest = np.full(n_states, -np.inf), np.full(n_states, np.inf)
        earliest[1::2] = np.maximum(onsets - REACH_S, before)
        earliest[2::2] = np.maximum(offsets - EARLIEST_S, onsets - REACH_S)
        latest[0:-1:2] = onsets + REACH_S
        latest[1::2] = np.minimum(offsets + LONGEST_TAIL_S, after + REACH_S)
        last = np.searchsorted(np.maximum.accumulate(earliest), times_s, "right") - 1
        first = np.searchsorted(np.maximum.accumulate(latest), times_s, "left")
        return cls(notes, times_s, np.minimum(first, last), last)

    @property
    def names(self) -> NDArray[np.int64]:
        """The numbers of the states of every frame, ``[n, p]``; some at the end are impossible."""
        most = int((self.last - self.first).max()) + 1
        return self.first[:, None] + np.arange(most)

    def pitches(self, in_tune: Values) -> Values:
        """Return the pitches of all states, MIDI numbers, ``[n, p]``; before and after it held.

        Args:
            in_tune: pitch of the voice in every frame, where its notes are written, ``[n]``.
        """
        onsets, offsets = _written(self.notes)
        starts, stops = np.searchsorted(self.times_s, [onsets, offsets])
        note, frames = _note(self.names, onsets), np.arange(len(in_tune))[:, None]
        nearest = frames.clip(starts[note], np.maximum(stops[note] - 1, starts[note]))
        held = in_tune[nearest.clip(max=len(in_tune) - 1)]
        written = np.array([each.middle_semitones for each in self.notes])[note]
        pitches: Values = np.where((stops > starts)[note], held, written)
        return pitches

    def path(self, misfits: Values) -> NDArray[np.int64]:
        """Return the states that cost least together by (1), ``[n]``.

        Args:
            misfits: of every state in ``names``, ``[n, p]``.
        """
        names = self.names
        costs = WEIGHT_MISFIT * misfits + LEAST * (names % 2)
        costs[names > self.last[:, None]] = IMPOSSIBLE
        onsets, offsets = _written(self.notes)
        begins = 0.5 * np.square((self.times_s[:, None] - onsets[_note(names, onsets)]) / LIKELY_S)
        early_s = (offsets[_note(names, offsets)] - self.times_s[:, None]).clip(0)
        ends = 0.5 * np.square(early_s / EARLY_S)
        costs[0] += np.where(names[0] % 2, begins[0], 0) + IMPOSSIBLE * (names[0] > 1)

        def stretch(frames: range) -> _Stretch:
            """Return the states of some frames."""
            part = slice(frames.start, frames.stop)
            return _Stretch(names[part], costs[part], begins[part], ends[part])

        with closing(Spool.temporary()) as before:
            path, _ = cheapest_path(Derived(range(len(names)), stretch), before)
        return path


@dataclass(frozen=True)
class _Stretch:
    """The states of a voice in some frames, as ``viterbi.Stretch``.

    Attributes:
        names: numbers of the states, ``[n, p]``.
        costs: of every state, ``[n, p]``.
        begins: what it costs to begin the state's note in the frame, ``[n, p]``.
        ends: what it costs to end it there, with a rest, ``[n, p]``.
    """

    names: NDArray[np.int64]
    costs: Values
    begins: Values
    ends: Values

    @property
    def transitions(self) -> Values:
        """Costs of going on from every state to those of the next frame, ``[n - 1, p, p]``."""
        before, after = self.names[:-1, :, None], self.names[1:, None]
        step, is_note = after - before, before % 2 == 1
        found = np.where(step == 0, 0.0, IMPOSSIBLE)
        begun = (step == 1) & ~is_note | (step == 2) & is_note
        found = np.where(begun, self.begins[1:, None], found)
        return np.where((step == 1) & is_note, self.ends[:-1, :, None], found)


def _written(notes: Sequence[KnownNote]) -> tuple[Values, Values]:
    """Return where notes begin and where they end, in s."""
    return np.array([note.onset_s for note in notes]), np.array([note.offset_s for note in notes])


def _note(names: NDArray[np.int64], notes: Values) -> NDArray[np.int64]:
    """Return the numbers of the notes of states; of rests, of one of the notes beside them."""
    return np.minimum(names // 2, len(notes) - 1)
