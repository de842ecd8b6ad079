"""Timbre: how strong an instrument's harmonics are at a pitch, and how loud its tones are.

Not in the paper. Where two tones share a harmonic, the mixture cannot say whose it is. What the
instrument does at this pitch elsewhere, and how loud the tone is in its other harmonics, can.

The dictionary has one column per instrument, whatever the pitch. The body of an instrument favours
fixed frequencies, not fixed harmonics, so its column differs from register to register: here every
instrument has one per semitone, T[i, g, h]. At the bins f_j of all harmonics of a frame's tones the
recording's magnitudes are

    |Y[f_j]| = sum_t l_t sum_h T[i_t, g_t, h] exp(-(f_j - f_th)^2 / (2 sigma^2)),

with the levels l_t of the tones. Levels and table follow in turn from the least Kullback-Leibler
divergence, by multiplicative updates that keep them positive (Lee and Seung, Algorithms for
non-negative matrix factorization, NIPS 2000); the pitches say where harmonics may be.

Axes: ``n`` frames, ``i`` instruments, ``g`` semitones, ``t`` tones of a frame, ``h`` harmonics;
``j = t h``, all harmonics of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, excerpt, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.peaks import bell, harmonic_positions, magnitude
from musisep_cli.tones.tones import Tones, pitch_semitones

LOWEST_SEMITONE = 12
N_SEMITONES = 120
KERNEL = ((1.0, 1.0), (0.015, 6.0), (1e-4, 1e3))
"""Weight and width in semitones of what other pitches say: most from the same, a little from those
around, the rest only where there is nothing else."""
ROUNDS = 15
"""Of learning the table from the tones' levels and the levels from the table."""
UPDATES, LEVEL_UPDATES, MISFIT_UPDATES = 3, 30, 15
"""Of the levels: in every round, where the table is known, and to compare many sets of tones."""
BACKGROUND = 1e-3
"""What there is besides the tones, relative to a frame's strongest harmonic."""
LEAST_RELATIVE = 1e-5
"""No harmonic is weaker, relative to the tone's strongest: an update could never raise a 0."""
TINY = 1e-12
EXCERPT_STRETCHES, STRETCH_FRAMES = 16, 512
"""Timbres are learned from this much of a recording: 87 seconds, wherever it is longer."""
LEARNED_HOPS = 4
"""What all frames of a note have in common is learned from every fourth: the next ones hold almost
the same sound."""


@dataclass(frozen=True)
class Comb:
    """Some frames at the harmonics of their tones.

    Attributes:
        instruments: that play the tones, ``[t]``.
        semitones: row of every tone in its instrument's table, ``[n, t]``.
        strength: |Y| at every harmonic, 0 for those of tones that are off, ``[n, j]``.
        nearest: which of a tone's harmonics is nearest to this one, ``[n, j, t]``.
        overlap: how much of its peak is there, 0 for tones that are off, ``[n, j, t]``.
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
        """The frames seen where their tones have harmonics.

        Of a tone only the harmonic nearest to a place counts there; at 30 Hz the next ones are four
        widths away.

        Args:
            tones: all tones of the frames, ``[n, t]``.
            instruments: that play them, ``[t]``.
            semitones: MIDI numbers, ``[n, t]``.
            spectra: complex, ``[n, f]``.
            n_harmonics: of every tone.
            width: sigma of a peak in bins.
        """
        positions = harmonic_positions(tones.f0_bins, tones.inharmonicity, n_harmonics)
        sounding = (tones.on > 0)[..., None] & (positions <= spectra.shape[-1] - 1)
        places = positions.flatten(1)  # n, j
        rows = places[:, None].expand(-1, positions.shape[1], -1).contiguous()  # n, t, j
        above = torch.searchsorted(positions.contiguous(), rows).clamp(1, n_harmonics - 1)
        distances = [(positions.gather(2, h) - rows).abs() for h in (above - 1, above)]
        nearest = torch.where(distances[1] < distances[0], above, above - 1)
        overlap = bell(torch.minimum(*distances) / width)
        sound = sounding.to(overlap.dtype)
        overlap *= sound.gather(2, nearest) * sound.flatten(1)[:, None]
        return cls(
            instruments=instruments,
            semitones=semitone_rows(semitones),
            strength=_between_bins(magnitude(spectra), places) * sound.flatten(1),
            nearest=nearest.to(torch.uint8).transpose(1, 2),
            overlap=overlap.transpose(1, 2),
        )

    @property
    def background(self) -> Tensor:
        """What there is besides the tones, ``[n, 1]``."""
        strongest = self.strength.amax(1, keepdim=True)
        return (BACKGROUND * strongest).clamp_min(TINY)


@dataclass(frozen=True)
class Timbres:
    """Relative harmonic amplitudes of all instruments by pitch, ``table [i, g, h]``."""

    table: Tensor

    @classmethod
    def learn(cls, dictionary: Tensor, combs: Sequence[Comb]) -> Timbres:
        """From the tones of some frames.

        With the ratio r = |Y| / model, an update multiplies T by sum l g r / sum l g over all
        harmonics that reach a place, weighted by a kernel k of the distance in pitch:

            T[i, g, h] = sum_g' k[g, g'] sum l g T r / sum_g' k[g, g'] sum l g.

        Args:
            dictionary: D, where every pitch starts from, ``[h, i]``.
            combs: the frames, in blocks.
        """
        n_harmonics, n_instruments = dictionary.shape
        table = dictionary.T[:, None].repeat(1, N_SEMITONES, 1).clamp_min(LEAST_RELATIVE)
        timbres = cls(table)
        kernel = torch.stack([weight * nearness(width, table) for weight, width in KERNEL]).sum(0)
        levels = [_first_levels(comb) for comb in combs]
        for _ in range(ROUNDS):
            levels = [
                timbres.levels(comb, start, UPDATES)
                for comb, start in zip(combs, levels, strict=True)
            ]
            products, weights = table.new_zeros(2, table.numel())
            for comb, level in zip(combs, levels, strict=True):
                relative, index = timbres._relative(comb)
                weight = comb.overlap * level[:, None]
                model = (weight * relative).sum(-1) + comb.background
                ratio = (comb.strength + comb.background) / model
                products.index_add_(0, index, (weight * relative * ratio[..., None]).flatten())
                weights.index_add_(0, index, weight.flatten())
            products, weights = kernel @ torch.stack([products, weights]).view(
                2, n_instruments, N_SEMITONES, n_harmonics
            )
            heard = weights.amax((1, 2), keepdim=True) > TINY
            learned = products / weights.clamp_min(TINY)
            learned = learned / learned.amax(2, keepdim=True).clamp_min(TINY)
            timbres = cls(torch.where(heard, learned.clamp_min(LEAST_RELATIVE), table))
        return timbres

    def levels(self, comb: Comb, start: Tensor, n_updates: int) -> Tensor:
        """Levels of all tones, 0 for those that are off, ``[n, t]``.

        Args:
            comb: the frames.
            start: first levels, ``[n, t]``.
            n_updates: of the levels.
        """
        return _levels(comb, self._templates(comb), start, n_updates)

    def expected(self, comb: Comb) -> Tensor:
        """What the harmonics of all tones should be, ``[n, t, h]``."""
        level = self.levels(comb, _first_levels(comb), LEVEL_UPDATES)
        return level[..., None] * self.table[comb.instruments, comb.semitones]

    def misfit(self, comb: Comb) -> Tensor:
        """Least divergence of the frames' harmonics from the model, relative to their sum, ``[n]``.

        With these tones at any levels. Where the tones are the right ones it is small; a tone an
        octave too low is given away by the odd harmonics that its timbre has and the frame has not.
        """
        templates = self._templates(comb)
        level = _levels(comb, templates, _first_levels(comb), MISFIT_UPDATES)
        model = (templates * level[..., None]).sum(1) + comb.background
        seen = comb.strength + comb.background
        divergence = (seen * (seen / model).log() - seen + model).sum(1)
        return divergence / seen.sum(1)

    def _templates(self, comb: Comb) -> Tensor:
        """What every tone at level 1 gives at the place of every harmonic, ``[n, t, j]``."""
        relative, _ = self._relative(comb)
        return (relative * comb.overlap).mT.contiguous()

    def _relative(self, comb: Comb) -> tuple[Tensor, Tensor]:
        """T of the nearest harmonics ``[n, j, t]``, and where they are in the flat table."""
        n_harmonics = self.table.shape[-1]
        rows = comb.instruments * N_SEMITONES + comb.semitones  # n, t
        index = rows[:, None] * n_harmonics + comb.nearest
        return self.table.flatten()[index], index.flatten()


def semitone_rows(semitones: Tensor) -> Tensor:
    """Rows of pitches, MIDI numbers, in a table by semitones; of the same shape.

    >>> semitone_rows(torch.tensor([5.0, 12.4, 60.0, 200.0])).tolist()
    [0, 0, 48, 119]
    """
    return (semitones.round().long() - LOWEST_SEMITONE).clamp(0, N_SEMITONES - 1)


def nearness(width_semitones: float, like: Tensor) -> Tensor:
    """How much every pitch of a table tells of every other, 1 of itself, ``[g, g]``."""
    grid = torch.arange(N_SEMITONES, device=like.device, dtype=like.dtype)
    return torch.exp(-0.5 * ((grid[:, None] - grid) / width_semitones).square())


def _levels(comb: Comb, templates: Tensor, start: Tensor, n_updates: int) -> Tensor:
    """Levels of all tones, 0 for those that are off, ``[n, t]``.

    An update multiplies l_t by sum_j B_tj r_j / sum_j B_tj, with the templates B.
    """
    seen, total = comb.strength + comb.background, templates.sum(2)
    level = start
    for _ in range(n_updates):
        # Sums of products: matrix products of so few tones take twice as long.
        model = (templates * level[..., None]).sum(1) + comb.background
        pull = (templates * (seen / model)[:, None]).sum(2)
        level = level * pull / total.clamp_min(TINY)
    return level * (total > 0)


def _first_levels(comb: Comb) -> Tensor:
    """Every tone as loud as the strongest harmonic of the frame, ``[n, t]``."""
    strongest = comb.strength.amax(1, keepdim=True)
    return strongest.repeat(1, len(comb.instruments))


def _between_bins(values: Tensor, positions: Tensor) -> Tensor:
    """Values ``[n, f]`` at positions ``[n, j]``, on straight lines between bins."""
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
        instruments: that play the tones, ``[t]``.
        frame: the representation.
        n_harmonics: of every tone.
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
    """Learn the timbres of all instruments, from as much of the recording as it takes.

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
