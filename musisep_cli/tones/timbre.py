"""Timbre: how strong an instrument's harmonics are at a pitch, and how loud its tones are.

Not in the paper. Where two tones share a harmonic, the mixture does not say whose sound it is. Two
things do: what the instrument does at this pitch in other frames, and how loud the tone is in its
other harmonics.

The dictionary has one column per instrument, whatever the pitch. The body of an instrument favours
fixed frequencies, not fixed harmonics, so its column differs from register to register: here every
instrument has one per semitone, T[i, g, h]. At the places f_j of all harmonics of a frame's tones,
the recording's magnitudes y_j = |Y[f_j]| are modelled by

    m_j = sum_t l_t B_tj,  B_tj = T[i_t, g_t, h] exp(-(f_j - f_th)^2 / (2 sigma^2)),            (1)

with the levels l_t of the tones, and of every tone the harmonic h that is nearest to the place.
Levels and table are those with the least Kullback-Leibler divergence

    sum_j y_j log(y_j / m_j) - y_j + m_j,                                                       (2)

found in turn by multiplicative updates that keep them positive (Lee and Seung, Algorithms for
non-negative matrix factorization, NIPS 2000). With the ratio r_j = y_j / m_j they are

    l_t <- l_t sum_j B_tj r_j / sum_j B_tj,                                                     (3)
    T[i, g, h] <- sum_g' k[g, g'] sum l e r T / sum_g' k[g, g'] sum l e,                        (4)

where e is the bell of (1), the inner sums of (4) are over all tones of instrument i at semitone g'
and all places at which h is their nearest harmonic, and a kernel k of the distance in pitch lets
neighbouring pitches have a say. Divergence is counted where tones have harmonics, and nowhere else.

Axes: ``n`` frames, ``i`` instruments, ``g`` semitones, ``t`` tones of a frame, ``h`` harmonics;
``j = t h``, all harmonics of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, excerpt, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.compiled_timbre import TINY, add_sums, misfits, updated_levels
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.peaks import bell, harmonic_positions, magnitude
from musisep_cli.tones.tones import Tones, pitch_semitones

Array: TypeAlias = NDArray[Any]
Integers: TypeAlias = NDArray[np.integer[Any]]

LOWEST_SEMITONE, N_SEMITONES = 12, 120
"""MIDI number of a table's first row, and number of rows: 16 Hz to 16 kHz."""
KERNEL = ((1.0, 1.0), (0.015, 6.0), (1e-4, 1e3))
"""Terms of the kernel k, each a weight and a width in semitones: a pitch is learned from itself
above all, a little from those around, and from all others only where there is nothing else."""
ROUNDS = 15
"""How often the table is learned from the levels and the levels from the table, in turn."""
UPDATES, LEVEL_UPDATES, MISFIT_UPDATES = 3, 30, 15
"""How often (3) is applied: in every round, where the table is known, and to compare hypotheses."""
LEAST_RELATIVE = 1e-5
"""Least relative amplitude of a harmonic: an update is a product and could never raise a 0."""
EXCERPT_STRETCHES, STRETCH_FRAMES = 16, 512
"""Number of parts of a long recording, and of frames in each, that timbres are learned from: 87
seconds in all."""
LEARNED_HOPS = 4
"""Hops between the frames that places and inharmonicity are learned from: the frames in between
hold almost the same sound."""


@dataclass(frozen=True)
class Comb:
    """Some frames, sampled at the harmonics of their tones.

    Attributes:
        instruments: which instrument plays each tone, ``[t]``, or ``[n, t]`` where that differs.
        semitones: row of every tone in its instrument's table, ``[n, t]``.
        strength: y_j, the magnitude at every harmonic, 0 for tones that are off, ``[n, j]``.
        nearest: which harmonic of tone t is nearest to place j, from 0, ``[n, t, j]``.
        overlap: e, the bell of that harmonic there, 0 for tones that are off, ``[n, t, j]``.
    """

    instruments: Tensor
    semitones: Tensor
    strength: Tensor
    nearest: Tensor
    overlap: Tensor

    @classmethod
    def of(
        cls,
        tones: Tones,
        instruments: Tensor,
        semitones: Tensor,
        spectra: Tensor,
        *,
        n_harmonics: int,
        width: float,
    ) -> Comb:
        """Sample each spectrum at every harmonic of its tones.

        Of a tone, only the harmonic nearest to a place counts there; at 30 Hz the next ones are
        four widths away.

        Args:
            tones: all tones of the frames, ``[n, t]``.
            instruments: which instrument plays each, ``[t]``.
            semitones: their pitches as MIDI numbers, ``[n, t]``.
            spectra: complex, ``[n, f]``.
            n_harmonics: number of harmonics of every tone.
            width: sigma of a peak in bins.
        """
        positions = harmonic_positions(tones.f0_bins, tones.inharmonicity, n_harmonics)
        sounding = (tones.on > 0)[..., None] & (positions <= spectra.shape[-1] - 1)
        places = positions.flatten(1)  # n, j
        rows = places[:, None].expand(-1, positions.shape[1], -1).contiguous()  # n, t, j
        # A tone's harmonics rise in frequency: the nearest to a place is one of the two beside it.
        above = torch.searchsorted(positions.contiguous(), rows).clamp(1, n_harmonics - 1)
        distances = [(positions.gather(2, h) - rows).abs() for h in (above - 1, above)]
        nearest = torch.where(distances[1] < distances[0], above, above - 1)
        overlap = bell(torch.minimum(*distances) / width)
        sound = sounding.to(overlap.dtype)
        overlap *= sound.gather(2, nearest) * sound.flatten(1)[:, None]  # both tones must sound
        return cls(
            instruments=instruments,
            semitones=semitone_rows(semitones),
            strength=_between_bins(magnitude(spectra), places) * sound.flatten(1),
            nearest=nearest.to(torch.uint8),
            overlap=overlap,
        )

    @property
    def sampled(self) -> tuple[Array, Array, Array]:
        """Return strength, nearest and overlap as arrays in the computer's own memory."""
        strength, nearest, overlap = map(_array, (self.strength, self.nearest, self.overlap))
        return strength, nearest, overlap

    @property
    def rows(self) -> Array:
        """Return the row of every tone in the table of all instruments, ``[n, t]``."""
        return _array(self.instruments * N_SEMITONES + self.semitones)

    @property
    def first_levels(self) -> Tensor:
        """Return levels to start from, for all tones the frame's strongest harmonic, ``[n, t]``."""
        return self.strength.amax(1, keepdim=True).repeat(1, self.overlap.shape[1])


@dataclass(frozen=True)
class Timbres:
    """Relative harmonic amplitudes of all instruments by pitch, ``table [i, g, h]``."""

    table: Tensor

    @classmethod
    def learn(cls, dictionary: Tensor, combs: Sequence[Comb]) -> Timbres:
        """Learn them from the tones of some frames.

        Args:
            dictionary: D, from which every pitch starts, ``[h, i]``.
            combs: the frames, in blocks.
        """
        n_harmonics, n_instruments = dictionary.shape
        table = dictionary.T[:, None].repeat(1, N_SEMITONES, 1).clamp_min(LEAST_RELATIVE)
        timbres = cls(table)
        kernel = torch.stack([weight * nearness(width, table) for weight, width in KERNEL]).sum(0)
        levels = [_array(comb.first_levels) for comb in combs]
        blocks = [(comb.rows, *comb.sampled) for comb in combs]
        for _ in range(ROUNDS):
            flat = timbres.flat
            # The inner sums of (4), numerator and denominator, one entry per entry of the table.
            sums = np.zeros((2, *flat.shape), flat.dtype)
            for number, block in enumerate(blocks):
                levels[number] = updated_levels(flat, *block, levels[number], UPDATES)  # (3)
                add_sums(flat, *block, levels[number], *sums)
            # The outer sums of (4): pitches are mixed by the kernel.
            products, weights = kernel @ torch.from_numpy(sums).to(table).view(
                2, n_instruments, N_SEMITONES, n_harmonics
            )
            heard = weights.amax((1, 2), keepdim=True) > TINY
            learned = products / weights.clamp_min(TINY)  # (4)
            learned = learned / learned.amax(2, keepdim=True).clamp_min(TINY)
            timbres = cls(torch.where(heard, learned.clamp_min(LEAST_RELATIVE), table))
        return timbres

    @property
    def flat(self) -> Array:
        """Return the table with a row for every semitone of every instrument, ``[r, h]``."""
        return _array(self.table.flatten(0, 1))

    def levels(self, comb: Comb, start: Tensor, n_updates: int) -> Tensor:
        """Return the levels of all tones, 0 for those that are off, ``[n, t]``.

        Args:
            comb: the frames.
            start: first levels, ``[n, t]``.
            n_updates: how often (3) is applied.
        """
        found = updated_levels(self.flat, comb.rows, *comb.sampled, _array(start), n_updates)
        return torch.from_numpy(found).to(start)

    def expected(self, comb: Comb) -> Tensor:
        """Return the expected magnitudes of the harmonics of all tones, ``[n, t, h]``."""
        level = self.levels(comb, comb.first_levels, LEVEL_UPDATES)
        return level[..., None] * self.table[comb.instruments, comb.semitones]

    def misfit(self, comb: Comb) -> Tensor:
        """Return the divergence (2) of frames at the best levels, relative to sum_j y_j, ``[n]``.

        Where the tones are the right ones it is small. A tone an octave too low is given away by
        the odd harmonics that its timbre has and the frame has not.
        """
        frames, players = np.arange(len(comb.strength)), _array(comb.instruments)
        found = self.misfits(comb, frames, np.broadcast_to(players, comb.semitones.shape))
        return torch.from_numpy(found).to(comb.strength)

    def misfits(self, comb: Comb, frames: Integers, instruments: Integers) -> Array:
        """Return the misfits of frames, each as often as it is named, with other players, ``[k]``.

        Args:
            comb: the frames; who plays their tones is not read.
            frames: their numbers, ``[k]``.
            instruments: which instrument plays each of their tones, ``[k, t]``.
        """
        rows = instruments * N_SEMITONES + _array(comb.semitones)[frames]
        found: Array = misfits(self.flat, frames, rows, *comb.sampled, MISFIT_UPDATES)
        return found


def semitone_rows(semitones: Tensor) -> Tensor:
    """Return the rows of pitches, MIDI numbers, in a table by semitones; of the same shape.

    >>> semitone_rows(torch.tensor([5.0, 12.4, 60.0, 200.0])).tolist()
    [0, 0, 48, 119]
    """
    return (semitones.round().long() - LOWEST_SEMITONE).clamp(0, N_SEMITONES - 1)


def nearness(width_semitones: float, like: Tensor) -> Tensor:
    """Return how much every pitch of a table tells of every other, 1 of itself, ``[g, g]``."""
    grid = torch.arange(N_SEMITONES, device=like.device, dtype=like.dtype)
    return torch.exp(-0.5 * ((grid[:, None] - grid) / width_semitones).square())


def _array(values: Tensor) -> Array:
    """Return values as an array in the computer's own memory, one row after another."""
    array: Array = values.contiguous().cpu().numpy()
    return array


def _between_bins(values: Tensor, positions: Tensor) -> Tensor:
    """Return values ``[n, f]`` at positions ``[n, j]``, on straight lines between bins."""
    places = positions.clamp(0, values.shape[-1] - 1)
    below = places.floor().long().clamp_max(values.shape[-1] - 2)
    part = places - below
    return (1 - part) * values.gather(1, below) + part * values.gather(1, below + 1)


def comb_of(
    tones: Tones,
    spectra: Tensor,
    *,
    instruments: Tensor,
    frame: GaborFrame,
    n_harmonics: int,
    width_bins: float | None = None,
) -> Comb:
    """Sample each spectrum at every harmonic of its tones.

    Args:
        tones: of the frames, ``[n, t]``.
        spectra: complex, ``[n, f]``.
        instruments: which instrument plays each tone, ``[t]``.
        frame: the representation.
        n_harmonics: number of harmonics of every tone.
        width_bins: sigma of the peaks; None for that of the frame's own windows.
    """
    return Comb.of(
        tones,
        instruments,
        pitch_semitones(tones.f0_bins, frame),
        spectra,
        n_harmonics=n_harmonics,
        width=width_bins or frame.ideal_width_bins,
    )


def learn_timbres(
    notes: NotesAround, spectra: Framewise[Tensor], dictionary: Tensor, frame: GaborFrame
) -> Timbres:
    """Learn the timbres of all instruments from parts of the recording.

    Args:
        notes: the tones of all frames.
        spectra: of all frames, ``[n, f]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
    """
    n_harmonics, _ = dictionary.shape
    combs = [
        comb_of(
            notes[block].in_a_row,
            spectra[block],
            instruments=notes.instruments,
            frame=frame,
            n_harmonics=n_harmonics,
        )
        for part in excerpt(len(notes), EXCERPT_STRETCHES, STRETCH_FRAMES)
        for block in stretches(part, BLOCK_FRAMES)
    ]
    return Timbres.learn(dictionary, combs)
