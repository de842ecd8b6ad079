"""Timbre: how strong an instrument's harmonics are to be expected at a pitch (not in the paper).

The dictionary has one column per instrument, whatever the pitch. The body of an instrument favours
fixed frequencies, not fixed harmonics, so its column differs from register to register; where two
tones share a harmonic, what the instrument does at this pitch elsewhere says how to divide it.

Axes: ``n`` frames, ``g`` semitones, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LOWEST_SEMITONE = 12
N_SEMITONES = 120
KERNEL = ((1.0, 1.0), (0.015, 6.0), (1e-4, 1e3))
"""Weight and width in semitones of what other pitches say: most from the same, a little from those
around, the rest only where there is nothing else."""
ROUNDS = 4
"""Of learning the table from the tones' levels and the levels from the table."""
LEAST_FREE = 1e-5
"""What a covered harmonic still counts: enough where there is nothing else, as in an octave."""
TINY = 1e-30


@dataclass(frozen=True)
class Timbre:
    """Expected relative harmonic amplitudes of one instrument, ``table [g, h]``."""

    table: Tensor

    @classmethod
    def learn(cls, pitch_semitones: Tensor, amplitudes: Tensor, free: Tensor) -> Timbre:
        """From all tones of an instrument.

        Weighted least squares of amplitudes against level times table, the two in turn: the table
        at a pitch is sum_n k w l c / sum_n k w l^2, with levels l, weights w and a kernel k of the
        distance in pitch.

        Args:
            pitch_semitones: MIDI numbers, ``[n]``.
            amplitudes: absolute harmonic amplitudes, 0 where it rests, ``[n, h]``.
            free: 1 where a harmonic stands alone, 0 where another tone covers it, ``[n, h]``.
        """
        place = semitone(pitch_semitones)
        grid = torch.arange(N_SEMITONES, device=place.device, dtype=amplitudes.dtype)
        distance = grid[:, None] - grid
        kernels = [w * torch.exp(-0.5 * (distance / s).square()) for w, s in KERNEL]
        kernel = torch.stack(kernels).sum(0)
        blank = amplitudes.new_zeros(N_SEMITONES, amplitudes.shape[1])
        level = (amplitudes * free).sum(1) / free.sum(1).clamp_min(TINY)
        timbre = cls(blank)
        for _ in range(ROUNDS):
            products = blank.index_add(0, place, free * amplitudes * level[:, None])
            squares = blank.index_add(0, place, free * level[:, None].square())
            timbre = cls((kernel @ products) / (kernel @ squares).clamp_min(TINY))
            level = timbre.levels(pitch_semitones, amplitudes, free)
        return timbre

    def levels(self, pitch_semitones: Tensor, amplitudes: Tensor, free: Tensor) -> Tensor:
        """The tones' levels by their free harmonics, ``[n]``; arguments as in ``learn``."""
        relative = self.table[semitone(pitch_semitones)]
        overlap = (free * relative * amplitudes).sum(1)
        level: Tensor = overlap / (free * relative.square()).sum(1).clamp_min(TINY)
        return level

    def expected(self, pitch_semitones: Tensor, amplitudes: Tensor, free: Tensor) -> Tensor:
        """What the tones' harmonics should be, ``[n, h]``; arguments as in ``learn``."""
        level = self.levels(pitch_semitones, amplitudes, free)
        return level[:, None] * self.table[semitone(pitch_semitones)]


def semitone(pitch_semitones: Tensor) -> Tensor:
    """Row of a pitch in the table."""
    return (pitch_semitones.round().long() - LOWEST_SEMITONE).clamp(0, N_SEMITONES - 1)


def free_harmonics(positions: Tensor, on: Tensor, width: float) -> Tensor:
    """1 where a harmonic stands alone, falling to almost 0 where another tone's harmonic is.

    Two peaks of width sigma at a distance d overlap as exp(-d^2 / (4 sigma^2)).

    Args:
        positions: in bins, ``[n, i, h]``.
        on: u, 0 or 1, ``[n, i]``.
        width: sigma in bins.

    Returns:
        ``[n, i, h]``.
    """
    free = torch.ones_like(positions)
    n_instruments = positions.shape[1]
    for one in range(n_instruments):
        for other in range(n_instruments):
            if one != other:
                distance = positions[:, one, :, None] - positions[:, other, None, :]
                nearest = distance.abs().amin(-1)  # n, h
                covered = torch.exp(-(nearest / (2 * width)).square()) * on[:, other, None]
                free[:, one] *= 1 - covered
    return free.clamp_min(LEAST_FREE)
