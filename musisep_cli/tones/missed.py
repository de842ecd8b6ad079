"""Missed: where the certificate of what a run's tones leave exceeds its bound.

For any method's run. Of the lifted data b of a frame (``lifted``) only what lies off the harmonics
of its tones is left, p = b (1 - m), with a mask m that is 1 there. The certificate of what is left,
q_i(s) = <psi_{i,s}, p> (Eq. 2 of ``certificate``), tells of every pitch how much a tone there would
explain. Its bound is a share of what the strongest tone of the frame explains of the whole,

    alpha = share max(q*, loud),   q* = max_{i,s} <psi_{i,s}, b>,

or of a usual loud frame, loud = sum q*^2 / sum q*: what dies away in a rest is no missed tone.

A mask, not the tones' own peaks: lifted peaks do not add up, and a tone whose timbre the dictionary
does not know would leave something everywhere. So a missed tone is seen by those of its harmonics
that no other tone covers; an octave above a tone that was found has none, and is never seen.

Axes: ``n`` frames, ``i`` instruments, ``f`` bins, ``h`` harmonics, ``s`` pitches of the grid, ``g``
rows of the map over log frequency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.frames.framewise import Framewise, stretches
from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.peaks import bell, harmonic_positions
from musisep_cli.tones.tones import Tones

ROWS_PER_SEMITONE = 3
"""Of the map over log frequency: fine enough to tell a quarter-tone from a semitone."""
COVERED_WIDTHS = 1.5
"""The mask is as wide as a lifted peak times this: onsets are wider, pitches a little off."""
FRAMES_AT_ONCE = 512
REFERENCE_HZ, REFERENCE_MIDI = 440.0, 69


@dataclass(frozen=True, kw_only=True)
class MissedConfig:
    """When a tone counts as missed."""

    share: float = 0.25
    """The bound alpha, relative to the strongest tone; lifted, a quarter is 24 dB."""
    reach_frames: int = 8
    """Tones so near in time cover their harmonics too: a window reaches over its neighbours, and
    notes die away."""


@dataclass(frozen=True)
class Missed:
    """The certificate of what is left, relative to its bound.

    Attributes:
        pitches_midi: of the rows, ``[g]``.
        excess: max over the instruments and a row's pitches of q / alpha, ``[n, g]``; above 1 a
            tone was missed.
        sounding: whether anything sounds in the frame that is near the bound at all, bool ``[n]``.
    """

    pitches_midi: Tensor
    excess: Tensor
    sounding: Tensor

    @property
    def frames(self) -> Tensor:
        """Whether a tone was missed, bool ``[n]``."""
        return (self.excess > 1).any(1)

    @property
    def share(self) -> float:
        """Share of the sounding frames in which a tone was missed, 0 where nothing sounds."""
        n_sounding = int(self.sounding.sum())
        return int((self.frames & self.sounding).sum()) / n_sounding if n_sounding else 0.0


def missed_tones(
    spectra: Framewise[Tensor], tones: Framewise[Tones], grid: PitchGrid, config: MissedConfig
) -> Missed:
    """Return where tones are missing among those of a run.

    Args:
        spectra: of the mixture, complex, ``[n, f]``.
        tones: of the run in the same frames, ``[n, i]``.
        grid: the pitches and atoms.
        config: when a tone counts as missed.
    """
    rows_midi, row_of = log_rows(grid)
    strongest, left = [], []
    for block in stretches(len(spectra), FRAMES_AT_ONCE):
        data = grid.lift.data(spectra[block])
        strongest.append(_certificate(data, grid).amax(1))
        wide = slice(max(block.start - config.reach_frames, 0), block.stop + config.reach_frames)
        mask = covered(tones[wide], grid, config.reach_frames)
        here = mask[block.start - wide.start :][: len(data)]
        rows = data.new_zeros(len(data), len(rows_midi))
        index = row_of.expand(len(data), -1)
        left.append(rows.scatter_reduce(1, index, _certificate(data * (1 - here), grid), "amax"))
    highest, excess = torch.cat(strongest), torch.cat(left)
    loud = highest.square().sum() / highest.sum().clamp_min(1e-12)
    alpha = config.share * torch.maximum(highest, loud)
    return Missed(
        rows_midi, excess / alpha.clamp_min(1e-12)[:, None], highest > config.share * loud
    )


def log_rows(grid: PitchGrid) -> tuple[Tensor, Tensor]:
    """Return the rows' pitches as MIDI numbers ``[g]``, and the row of every pitch, ``[s]``."""
    midi = REFERENCE_MIDI + 12 * torch.log2(grid.pitches_bins * grid.bin_hz / REFERENCE_HZ)
    row_of = (ROWS_PER_SEMITONE * midi).round().long()
    first = int(row_of[0])
    rows = torch.arange(first, int(row_of[-1]) + 1, device=midi.device)
    return rows.to(midi.dtype) / ROWS_PER_SEMITONE, row_of - first


def covered(tones: Tones, grid: PitchGrid, reach_frames: int) -> Tensor:
    """Return the mask m of frames, 1 at the harmonics of tones in frames near by, ``[n, f]``.

    Args:
        tones: ``[n, i]``.
        grid: tells the bins and the width of a peak.
        reach_frames: how near.
    """
    n_harmonics = math.ceil(grid.n_bins / max(grid.lowest_bins, 1.0))
    n_harmonics = min(n_harmonics, 4 * len(grid.heights))  # real tones have more than the atoms
    positions = harmonic_positions(tones.f0_bins, tones.inharmonicity, n_harmonics)  # n, i, h
    width = COVERED_WIDTHS * grid.lift.lifted_width_bins
    reach = math.ceil(3 * width)
    offsets = torch.arange(-reach, reach + 1, device=positions.device)
    bins = positions.clamp(-reach, grid.n_bins + reach).round()[..., None] + offsets
    # Twice a bell, cut at 1: flat on top, so that a peak a little off is covered whole.
    values = (2 * bell((bins - positions[..., None]) / width)).clamp_max(1.0)
    values = values * (tones.on > 0)[..., None, None]
    index = bins.clamp(-1, grid.n_bins).add(1).long().flatten(1)
    blank = values.new_zeros(len(values), grid.n_bins + 2)
    mask = blank.scatter_reduce(1, index, values.flatten(1), "amax")[:, 1:-1]
    window = 2 * reach_frames + 1
    return functional.max_pool1d(mask.T[None], window, 1, reach_frames)[0].T


def _certificate(data: Tensor, grid: PitchGrid) -> Tensor:
    """Return the certificate of the instrument that has most of it at each pitch, ``[n, s]``."""
    return grid.certificate(grid.lift.matched(data)).amax(1)
