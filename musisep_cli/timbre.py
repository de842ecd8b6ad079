"""Timbre: how strong an instrument's harmonics are to be expected at a pitch (not in the paper).

The dictionary has one column per instrument, whatever the pitch. The body of an instrument favours
fixed frequencies, not fixed harmonics, so its column differs from register to register; where two
tones share a harmonic, what the instrument does at this pitch elsewhere says how to divide it.

Axes: ``n`` frames, ``i`` instruments, ``g`` semitones, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.framewise import FrameRows, Framewise, stretches

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
FRAMES_AT_ONCE = 64


@dataclass(frozen=True)
class Tones(FrameRows):
    """What an instrument plays in some frames, or what all do.

    Attributes:
        pitch_semitones: MIDI numbers, ``[n]`` or ``[n, i]``.
        amplitudes: absolute harmonic amplitudes, 0 where it rests, ``[n, h]`` or ``[n, i, h]``.
        free: 1 where a harmonic stands alone, 0 where another tone covers it, as ``amplitudes``.
    """

    pitch_semitones: Tensor
    amplitudes: Tensor
    free: Tensor

    def of(self, instrument: int) -> Tones:
        """Of one instrument, ``[n]``, from those of all."""
        return Tones(
            self.pitch_semitones[:, instrument],
            self.amplitudes[:, instrument],
            self.free[:, instrument],
        )


@dataclass(frozen=True)
class Timbre:
    """Expected relative harmonic amplitudes of one instrument, ``table [g, h]``."""

    table: Tensor

    @classmethod
    def learn(cls, tones: Framewise[Tones]) -> list[Timbre]:
        """Of every instrument from all its tones.

        Weighted least squares of amplitudes against level times table, the two in turn: the table
        at a pitch is sum_n k w l c / sum_n k w l^2, with levels l, weights w and a kernel k of the
        distance in pitch.

        Args:
            tones: of all instruments, ``[n, i]``.
        """
        first = tones[:1].amplitudes
        _, n_instruments, n_harmonics = first.shape
        kernel = _kernel(first)
        timbres: list[Timbre | None] = [None] * n_instruments
        for _ in range(ROUNDS):
            products, squares = first.new_zeros(2, n_instruments, N_SEMITONES, n_harmonics)
            for block in stretches(len(tones), FRAMES_AT_ONCE):
                of_all = tones[block]
                for i, timbre in enumerate(timbres):
                    played = of_all.of(i)
                    place = semitone(played.pitch_semitones)
                    level = (timbre.levels(played) if timbre else _mean_level(played))[:, None]
                    products[i].index_add_(0, place, played.free * played.amplitudes * level)
                    squares[i].index_add_(0, place, played.free * level.square())
            timbres = [
                cls((kernel @ above) / (kernel @ below).clamp_min(TINY))
                for above, below in zip(products, squares, strict=True)
            ]
        return [timbre for timbre in timbres if timbre]

    def levels(self, tones: Tones) -> Tensor:
        """The levels of an instrument's tones by their free harmonics, ``[n]``."""
        relative = self.table[semitone(tones.pitch_semitones)]
        overlap = (tones.free * relative * tones.amplitudes).sum(1)
        level: Tensor = overlap / (tones.free * relative.square()).sum(1).clamp_min(TINY)
        return level

    def expected(self, tones: Tones) -> Tensor:
        """What the harmonics of an instrument's tones should be, ``[n, h]``."""
        return self.levels(tones)[:, None] * self.table[semitone(tones.pitch_semitones)]


def _kernel(like: Tensor) -> Tensor:
    """How much pitches say about each other, ``[g, g]``."""
    grid = torch.arange(N_SEMITONES, device=like.device, dtype=like.dtype)
    distance = grid[:, None] - grid
    kernels = [w * torch.exp(-0.5 * (distance / s).square()) for w, s in KERNEL]
    return torch.stack(kernels).sum(0)


def _mean_level(tones: Tones) -> Tensor:
    """Mean of the free harmonics, ``[n]``: the levels to begin with."""
    mean: Tensor = (tones.amplitudes * tones.free).sum(1) / tones.free.sum(1).clamp_min(TINY)
    return mean


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
