"""Tones of known notes: what every instrument plays in every frame, at the pitch it sounds at.

An instrument has as many voices as its part has notes at once. The tones of a frame are those of
the first voices of all instruments, then those of the second voices, and so on: tone k belongs to
instrument k mod i.

A note is right to half a semitone or so. Voice after voice, those pitches o_n within the tolerance
are taken that cost least over all frames n,

    sum_n d(m_n, clear)(o_n) + prior ((o_n - O) / reach)^2 / 2 + rate (o_n - o_{n-1})^2,        (1)
    d(m, clear)(o) = (m(o) - min m) / R  min(1, R / clear)^2,   R = max m - min m,               (2)
    O = argmin_o d(mean_n m_n, clear of notes)(o) + prior (o / reach)^2 / 2,                    (3)

by Viterbi's algorithm, each note for itself, around the pitch O of the whole note. The misfit
m_n(o) is that of all tones of the frame, the other voices where they were found last
(``explained``). So a vibrato is followed, two tones in unison are told apart by the little that
they differ, and a note goes straight on where it is hidden and its pitch changes next to nothing,
or where too many sound with it.

Axes: ``n`` frames, ``k`` tones of a frame, ``i`` instruments, ``o`` offsets in pitch, ``h``
harmonics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, FrameRows, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import Spool
from musisep_cli.players.given.explained import Explained
from musisep_cli.players.hypotheses import TIKHONOV
from musisep_cli.players.viterbi import cheapest_path
from musisep_cli.sound.pitch import frequency_hz
from musisep_cli.sound.score.part import KnownNote, Values
from musisep_cli.tones.inharmonicity import Inharmonicity
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS, JointFit, matched_filter, refined_pitch
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.tones import Tones

TOLERANCE_CENTS, STEP_CENTS = 60.0, 10.0
"""Cents around a known pitch within which the true one is looked for, and the steps."""
LIKELY_NOTE_CENTS, LIKELY_CONTOUR_CENTS = 40.0, 25.0
"""Reach of (1), in cents: of notes, which are written in semitones, and of pitch tracks."""
PRIOR, RATE = 0.05, 0.02
"""Weights of the distance from the known pitch, and of a step of ``STEP_CENTS`` from frame to frame
(1)."""
REFINEMENTS = 2
"""How often pitches are set to where their harmonics are strongest in the frame, at last: steps of
cents are coarse for upper harmonics."""
CLEAR, CLEAR_NOTE = 0.3, 0.05
"""Range of misfits in (2) from which on a frame is sure of a tone's pitch, and of their means over
a note in (3) from which on the note is: what a frame errs at random is gone in the mean."""
MOST_TOLD = 4
"""Tones at once up to which a frame tells the pitch of each. Of more, most change its misfit by
less than a tenth, and what they would follow is not their own pitch."""
TINY = 1e-12
"""Strengths are not divided by less than this."""


@dataclass(frozen=True)
class KnownTones:
    """Tones of all frames as the notes have them, before they are set to where they sound.

    Attributes:
        on: whether each sounds, ``[n, k]``.
        semitones: pitches, MIDI numbers, ``[n, k]``.
        notes: number of the note in its voice, ``[n, k]``.
        reach_cents: how far each voice may be off, ``[k]``.
        strings: the inharmonicity of every voice, by pitch; None for none.
    """

    on: NDArray[np.bool_]
    semitones: NDArray[np.float32]
    notes: NDArray[np.int64]
    reach_cents: Values
    strings: Inharmonicity | None = None

    @classmethod
    def of(
        cls,
        voices: Sequence[Sequence[Sequence[KnownNote]]],
        contours: Sequence[bool],
        times_s: Values,
    ) -> KnownTones:
        """Return the tones of notes.

        Args:
            voices: notes of every voice of every instrument.
            contours: whether an instrument's pitch was measured frame by frame.
            times_s: centres of the frames, ``[n]``.
        """
        columns = in_columns(voices)
        shape = len(times_s), len(columns)
        on = np.zeros(shape, bool)
        semitones = np.full(shape, 60.0, np.float32)
        numbers = np.full(shape, -1, np.int64)
        for k, notes in enumerate(columns):
            for number, note in enumerate(notes):
                first, last = np.searchsorted(times_s, [note.onset_s, note.offset_s])
                on[first:last, k] = True
                semitones[first:last, k] = note.at(times_s[first:last])
                numbers[first:last, k] = number
        reach = [LIKELY_CONTOUR_CENTS if contour else LIKELY_NOTE_CENTS for contour in contours]
        return cls(on, semitones, numbers, np.tile(reach, len(columns) // max(len(voices), 1)))

    def tones(self, spectra: Spectra, cents: Values | float = 0.0) -> Tones:
        """Return them as tones.

        What lies above all bins cannot be seen and is no tone.

        Args:
            spectra: of the recording.
            cents: by how much the pitches are to be moved, ``[n, k]``.
        """
        frame, like = spectra.frame, spectra.mean
        f0_bins = torch.from_numpy(bins_of(self.semitones, frame) * 2 ** (cents / 1200)).to(like)
        on = torch.from_numpy(self.on).to(like) * (f0_bins < frame.n_network_bins - 4)
        tones = Tones(on, f0_bins, torch.zeros_like(on))
        return tones if self.strings is None else self.strings.of(tones)

    def with_strings(self, explained: Explained, cents: Values) -> KnownTones:
        """Return them with the inharmonicity of their voices, learned from the recording.

        Without it, notes of a piano are found sharp, where the upper harmonics are.

        Args:
            explained: the recording, and how tones are fitted to it.
            cents: by how much the pitches are to be moved, ``[n, k]``.
        """
        spectra, n_harmonics = explained.spectra, explained.fit.n_harmonics
        tones = self.tones(spectra, cents)
        strings = Inharmonicity.learn(tones, spectra.of_mean, spectra.frame, n_harmonics)
        return replace(self, strings=strings)


def in_columns(voices: Sequence[Sequence[Sequence[KnownNote]]]) -> list[Sequence[KnownNote]]:
    """Return the notes of every tone of a frame, ``[k]``; without a note where voices are missing.

    Args:
        voices: notes of every voice of every instrument.

    >>> [len(notes) for notes in in_columns([[["c", "d"], ["e"]], [["f"]]])]
    [2, 1, 1, 0]
    """
    most = max((len(voice) for voice in voices), default=1)
    return [
        of_instrument[v] if v < len(of_instrument) else ()
        for v in range(max(most, 1))
        for of_instrument in voices
    ]


def bins_of(semitones: Values, frame: GaborFrame) -> Values:
    """Return pitches, MIDI numbers, in bins, of the same shape."""
    return frequency_hz(semitones.astype(np.float64)) / frame.bin_hz


@dataclass(frozen=True)
class SetTones:
    """The tones where they sound, and what the instruments' harmonics are like.

    Attributes:
        tones: of all frames, ``[n, k]``.
        timbres: unit vectors of lifted harmonic amplitudes, ``[i, h]``.
    """

    tones: Tones
    timbres: Tensor


def set_tones(
    known: KnownTones,
    explained: Explained,
    n_instruments: int,
    reached: Callable[[float], None] = lambda _: None,
) -> SetTones:
    """Return the tones at the pitches at which they sound.

    Args:
        known: the tones of the notes.
        explained: the recording, and how tones are fitted to it.
        n_instruments: number of instruments.
        reached: called with the share of the work that is done.
    """
    spectra, n_harmonics = explained.spectra, explained.fit.n_harmonics
    tones = known.tones(spectra, followed(known, explained, reached))
    for _ in range(REFINEMENTS):
        tones = replace(tones, f0_bins=_refined(tones, spectra, n_harmonics))
    timbres = torch.zeros(n_instruments, n_harmonics, dtype=torch.float64)
    for block in stretches(len(tones.on), BLOCK_FRAMES):
        width = spectra.frame.ideal_width_bins
        timbres += _timbres(tones[block], spectra.of_mean[block], width, timbres)
    return SetTones(tones, timbres / timbres.norm(dim=1, keepdim=True).clamp_min(TINY))


def followed(
    known: KnownTones, explained: Explained, reached: Callable[[float], None] = lambda _: None
) -> Values:
    """Return by how many cents tones are to be moved, by (1), ``[n, k]``.

    Args:
        known: the tones of the notes.
        explained: the recording, and how tones are fitted to it.
        reached: called with the share of the work that is done.
    """
    spectra, n_voices = explained.spectra, known.on.shape[1]
    offsets = np.arange(-TOLERANCE_CENTS, TOLERANCE_CENTS + 1, STEP_CENTS)
    cents = np.zeros(known.on.shape)
    for k in range(n_voices):
        reached(k / n_voices)
        tones = known.tones(spectra, cents)
        frames = (tones.on[:, k] > 0).nonzero().squeeze(1).cpu().numpy()
        if not len(frames):
            continue
        tried = known.semitones[frames, k, None] + offsets / 100
        f0_bins = bins_of(tried, spectra.frame)
        sounding = np.ones(f0_bins.shape, bool)
        misfits = explained.misfits(tones, k, frames, sounding, f0_bins)
        misfits[known.on[frames].sum(1) > MOST_TOLD] = 0.0
        path = _path(misfits, offsets / known.reach_cents[k], known.notes[frames, k])
        cents[frames, k] = offsets[path]
    return cents


def _doubts(misfits: Values, clear: float) -> Values:
    """Return (2) from the misfits of frames or notes at all pitches, ``[n, o]``."""
    above = misfits - misfits.min(1, keepdims=True)
    most = above.max(1, keepdims=True)
    doubts: Values = above * most / most.clip(clear) ** 2
    return doubts


@dataclass(frozen=True)
class _Pitches(FrameRows):
    """The pitches that a voice may have, as ``viterbi.Stretch``.

    Attributes:
        costs: of every pitch, ``[n, o]``.
        is_begun: whether a note begins in the frame, ``[n]``.
    """

    costs: Values
    is_begun: NDArray[np.bool_]

    @property
    def names(self) -> NDArray[np.int64]:
        """The numbers of the pitches, ``[n, o]``."""
        return np.broadcast_to(np.arange(self.costs.shape[1]), self.costs.shape)

    @property
    def transitions(self) -> Values:
        """Costs of a step from pitch to pitch, ``[n - 1, o, o]``: another note begins anywhere."""
        steps = np.arange(self.costs.shape[1])
        rate = RATE * np.square(np.subtract.outer(steps, steps))
        return rate * ~self.is_begun[1:, None, None]


def _path(misfits: Values, reach: Values, notes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the pitch that (1) leads to in every frame of a voice, ``[n]``.

    Args:
        misfits: of the frames at all pitches, ``[n, o]``.
        reach: o / reach, ``[o]``.
        notes: which note each frame is of, ``[n]``.
    """
    is_begun = np.append(True, np.diff(notes) != 0)
    firsts = np.flatnonzero(is_begun)
    lengths = np.diff(np.append(firsts, len(notes)))
    means = np.add.reduceat(misfits, firsts) / lengths[:, None]
    whole = (_doubts(means, CLEAR_NOTE) + PRIOR * 0.5 * np.square(reach)).argmin(1)  # (3)
    apart = reach - np.repeat(reach[whole], lengths)[:, None]
    costs = _doubts(misfits, CLEAR) + PRIOR * 0.5 * np.square(apart)
    with closing(Spool.temporary()) as before:
        path, _ = cheapest_path(_Pitches(costs, is_begun), before)
    return path


def _refined(tones: Tones, spectra: Spectra, n_harmonics: int) -> Tensor:
    """Return the pitches at which the harmonics are strongest, frame by frame, ``[n, k]``."""
    width, found = spectra.frame.ideal_width_bins, []
    for block in stretches(len(tones), BLOCK_FRAMES):
        here, heard = tones[block], spectra.of_mean[block]
        fit = JointFit.of(here, heard, n_harmonics=n_harmonics, width=width, tikhonov=TIKHONOV)
        found.append(refined_pitch(here, matched_filter(heard, width), fit, LOWEST_WIDTHS * width))
    return torch.cat(found)


def _timbres(tones: Tones, spectra: Tensor, width: float, like: Tensor) -> Tensor:
    """Return sums over frames and voices of lifted harmonics, by instruments, like ``[i, h]``.

    A tone counts by the root of its loudness, as in the decoding.
    """
    n_instruments, n_harmonics = like.shape
    fit = JointFit.of(tones, spectra, n_harmonics=n_harmonics, width=width, tikhonov=TIKHONOV)
    lifted = magnitude(fit.coefficients).sqrt() * (tones.on[..., None] > 0)
    by_tone = lifted.sum(0).unflatten(0, (-1, n_instruments))
    summed: Tensor = by_tone.sum(0).to(like)
    return summed
