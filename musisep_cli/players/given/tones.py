"""Tones of known notes: what every instrument plays in every frame, at the pitch it sounds at.

An instrument has as many voices as its part has notes at once. The tones of a frame are those of
the first voices of all instruments, then those of the second voices, and so on: tone k belongs to
instrument k mod i.

A note is right to half a semitone or so. All tones of a frame are fitted to it at once
(``joint_fit``), and for every tone the harmonics are added up at pitches around the known one, with
the other tones removed. Harmonics that meet those of others do not count: they would pull the tone
to an exact multiple. With the share s_n of a tone's strength that lies in the clear ones, those
pitches o_n within the tolerance are taken that cost least over the frames n of a note,

    sum_n s_n (1 - strength[n, o_n] / max_o strength[n, o]) + prior (o_n / reach)^2 / 2
          + rate (o_n - o_{n-1})^2,                                                             (1)

by Viterbi's algorithm. So a vibrato is followed, and a note goes straight on where it is hidden.

Axes: ``n`` frames, ``k`` tones of a frame, ``i`` instruments, ``o`` offsets in pitch, ``h``
harmonics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.spectra import Spectra
from musisep_cli.players.hypotheses import TIKHONOV
from musisep_cli.sound.score.part import KnownNote, Values
from musisep_cli.tones.joint_fit import (
    LOWEST_WIDTHS,
    JointFit,
    comb_strength,
    matched_filter,
    refined_pitch,
)
from musisep_cli.tones.peaks import harmonic_positions, magnitude
from musisep_cli.tones.tones import Tones

TOLERANCE_CENTS, STEP_CENTS = 60.0, 10.0
"""Cents around a known pitch within which the true one is looked for, and the steps."""
LIKELY_NOTE_CENTS, LIKELY_CONTOUR_CENTS = 40.0, 25.0
"""Reach of (1), in cents: of notes, which are written in semitones, and of pitch tracks."""
PRIOR, RATE = 0.05, 0.02
"""Weights of the distance from the known pitch, and of a step from frame to frame (1)."""
REFINEMENTS = 2
"""How often pitches are set to where their harmonics are strongest in the frame, at last: steps of
cents are coarse for upper harmonics."""
CLEAR_WIDTHS = 2.0
"""Widths of a peak between two harmonics from which on they are seen apart."""
TOO_FAR = 1e3
"""Cost of a pitch beyond the tolerance: more than any path within pays."""
FOLLOWED = 2
"""How often (1) is solved: which harmonics meet is known better once the notes are in tune."""
FOLLOWED_FRAMES = 1024
"""Frames over which a pitch is followed at once: of an hour they all would not fit into memory."""
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
    """

    on: NDArray[np.bool_]
    semitones: NDArray[np.float32]
    notes: NDArray[np.int64]
    reach_cents: Values

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
        n_instruments = len(voices)
        n_voices = max((len(voice) for voice in voices), default=1)
        shape = len(times_s), max(n_voices, 1) * n_instruments
        on = np.zeros(shape, bool)
        semitones = np.full(shape, 60.0, np.float32)
        numbers = np.full(shape, -1, np.int64)
        for i, of_instrument in enumerate(voices):
            for v, notes in enumerate(of_instrument):
                k = v * n_instruments + i
                for number, note in enumerate(notes):
                    first, last = np.searchsorted(times_s, [note.onset_s, note.offset_s])
                    on[first:last, k] = True
                    semitones[first:last, k] = note.at(times_s[first:last])
                    numbers[first:last, k] = number
        reach = [LIKELY_CONTOUR_CENTS if contour else LIKELY_NOTE_CENTS for contour in contours]
        return cls(on, semitones, numbers, np.tile(reach, max(n_voices, 1)))


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
    spectra: Spectra,
    n_instruments: int,
    n_harmonics: int,
    reached: Callable[[int], None] = lambda _: None,
) -> SetTones:
    """Return the tones at the pitches at which they sound.

    Args:
        known: the tones of the notes.
        spectra: of the recording.
        n_instruments: number of instruments.
        n_harmonics: of every tone.
        reached: called with the number of frames done; may raise to end the work.
    """
    frame = spectra.frame
    f0_hz = 440 * 2 ** ((known.semitones.astype(np.float64) - 69) / 12)
    f0_bins = torch.from_numpy(f0_hz / frame.bin_hz).to(spectra.mean)
    on = torch.from_numpy(known.on).to(spectra.mean)
    # What lies above all bins cannot be seen and is no tone.
    on = on * (f0_bins < frame.n_network_bins - 4)
    tones = Tones(on, f0_bins, torch.zeros_like(on))
    timbres = torch.zeros(n_instruments, n_harmonics, dtype=torch.float64)
    moved = np.zeros(known.on.shape)
    for stretch in stretches(len(f0_bins), FOLLOWED_FRAMES):
        for _ in range(FOLLOWED):
            reached(stretch.start)
            base = _by_note(moved[stretch], known.notes[stretch])
            moved[stretch] = _moved(tones[stretch], base, known, stretch, spectra, n_harmonics)
    tones = replace(tones, f0_bins=_higher(f0_bins, moved))
    for _ in range(REFINEMENTS):
        tones = replace(tones, f0_bins=_refined(tones, spectra, n_harmonics))
    for block in stretches(len(f0_bins), BLOCK_FRAMES):
        timbres += _timbres(tones[block], spectra.of_mean[block], frame.ideal_width_bins, timbres)
    return SetTones(tones, timbres / timbres.norm(dim=1, keepdim=True).clamp_min(TINY))


def _higher(f0_bins: Tensor, cents: Values) -> Tensor:
    """Return pitches higher by so many cents, of the same shape."""
    return f0_bins * torch.from_numpy(2 ** (cents / 1200)).to(f0_bins)


def _by_note(cents: Values, numbers: NDArray[np.int64]) -> Values:
    """Return how far the notes of frames are off, medians over each note, ``[n, k]``."""
    found = np.zeros_like(cents)
    for k in range(cents.shape[1]):
        for number in np.unique(numbers[:, k]):
            of_note = numbers[:, k] == number
            found[of_note, k] = np.median(cents[of_note, k])
    return found


def _moved(
    tones: Tones,
    base: Values,
    known: KnownTones,
    stretch: slice,
    spectra: Spectra,
    n_harmonics: int,
) -> Values:
    """Return by how many cents tones are to be moved, by (1), ``[n, k]``.

    Args:
        tones: of a stretch of frames, as they are known.
        base: how far their notes are thought to be off: there the others are removed, ``[n, k]``.
        known: all of the known tones.
        stretch: which frames these are.
        spectra: of the recording.
        n_harmonics: of every tone.
    """
    offsets = np.arange(-TOLERANCE_CENTS, TOLERANCE_CENTS + 1, STEP_CENTS)
    near = replace(tones, f0_bins=_higher(tones.f0_bins, base))
    doubts = []
    for block in stretches(len(base), BLOCK_FRAMES):
        frames = slice(stretch.start + block.start, stretch.start + block.stop)
        spectrum, width = spectra.of_mean[frames], spectra.frame.ideal_width_bins
        doubts.append(_doubts(near[block], spectrum, width, offsets, n_harmonics))
    path = _followed(np.concatenate(doubts), base, known, stretch, offsets)
    return base + offsets[path]


def _doubts(
    tones: Tones, spectra: Tensor, width: float, offsets: Values, n_harmonics: int
) -> NDArray[np.float32]:
    """Return the first term of (1) for pitches around that of every tone, ``[n, k, o]``."""
    fit = JointFit.of(tones, spectra, n_harmonics=n_harmonics, width=width, tikhonov=TIKHONOV)
    fitted = fit.matched_spectra()
    rest = matched_filter(spectra, width) - fitted.sum(1)
    factors = torch.from_numpy(2 ** (offsets / 1200)).to(tones.f0_bins)
    clear = _clear_harmonics(tones, n_harmonics, width)
    found = []
    for k in range(tones.on.shape[1]):
        if not bool((tones.on[:, k] > 0).any()):
            found.append(tones.on.new_zeros(len(tones.on), len(factors)))
            continue
        alone = magnitude(rest + fitted[:, k])  # the mixture without the other tones
        near = tones.f0_bins[:, k, None] * factors
        of_all, of_clear = (
            comb_strength(
                alone, near, tones.inharmonicity[:, k], n_harmonics=n_harmonics, weights=weights
            )
            for weights in (None, clear[:, k])
        )
        most = of_clear.amax(1, keepdim=True)
        say = most / of_all.amax(1, keepdim=True).clamp_min(TINY)
        found.append(say.clamp_max(1) * (1 - of_clear / most.clamp_min(TINY)))
    doubts: NDArray[np.float32] = torch.stack(found, 1).cpu().numpy()
    return doubts


def _clear_harmonics(tones: Tones, n_harmonics: int, width: float) -> Tensor:
    """Return which harmonics of every tone lie apart from those of the others, ``[n, k, h]``."""
    positions = harmonic_positions(tones.f0_bins, tones.inharmonicity, n_harmonics)
    clear = torch.ones_like(positions)
    for k in range(positions.shape[1]):
        for other in range(positions.shape[1]):
            if other != k:
                apart = (positions[:, k, :, None] - positions[:, other, None]).abs().amin(2)
                meets = (apart < CLEAR_WIDTHS * width) & (tones.on[:, other, None] > 0)
                clear[:, k] *= ~meets
    return clear


def _followed(
    doubts: NDArray[np.float32],
    base: Values,
    known: KnownTones,
    stretch: slice,
    offsets: Values,
) -> NDArray[np.int64]:
    """Return the offset of every tone that (1) leads to, as its number, ``[n, k]``."""
    cents = base[..., None] + offsets  # from the pitch that is known
    cost = doubts + PRIOR * 0.5 * np.square(cents / known.reach_cents[:, None])
    cost = np.where(np.abs(cents) > TOLERANCE_CENTS + STEP_CENTS / 2, TOO_FAR, cost)
    step = RATE * np.square(np.subtract.outer(offsets, offsets) / STEP_CENTS)  # o before, o after
    numbers = known.notes[stretch]
    same = (numbers[1:] == numbers[:-1]) & (numbers[1:] >= 0)
    least = cost[0]
    before = np.zeros(cost.shape, np.int64)
    for n in range(1, len(cost)):
        # Another note begins anywhere.
        reached = least[:, :, None] + step * same[n - 1][:, None, None]
        before[n] = reached.argmin(1)
        least = reached.min(1) + cost[n]
    path = np.zeros(cost.shape[:2], np.int64)
    path[-1] = least.argmin(1)
    every = np.arange(cost.shape[1])
    for n in range(len(cost) - 1, 0, -1):
        path[n - 1] = before[n, every, path[n]]
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
