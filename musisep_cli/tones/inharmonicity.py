"""Inharmonicity: how far the harmonics of an instrument's strings are spread, at every pitch.

A stiff string has its harmonics at f_h = f_1 h sqrt(1 + b h^2) (Eq. 3): of a piano's c', the tenth
is 30 cents sharp. The further up, the more of it a comb of exact multiples misses.

Departs from the paper (Table 1), where the network finds b for every tone: in a single frame little
tells it, and the warm start takes b for 0. But b belongs to the string. So all frames in which an
instrument plays a pitch tell of one b, and those with the pitches next to it of nearly the same:
with the strength s(f) = sqrt|<g_f, Y>| of a harmonic at f, which hears faint ones too,

    b[i, g] = argmax_b  mean_n  max_f1 sum_h s(f_h(f1, b)) / max_f1 sum_h s(f_h(f1, 0)),

if that is worth more than nothing, else 0: in winds and under a bow, harmonics are exact.

Axes: ``n`` frames, ``i`` instruments, ``g`` semitones, ``h`` harmonics, ``f`` bins, ``b`` values of
b; ``k = n i``, all tones of all frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, excerpt, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.joint_fit import comb_strength, matched_filter, pitches_near
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.timbre import (
    EXCERPT_STRETCHES,
    LEARNED_HOPS,
    N_SEMITONES,
    STRETCH_FRAMES,
    nearness,
    semitone_rows,
)
from musisep_cli.tones.tones import Tones, pitch_semitones

LEAST, PER_OCTAVE, N_OCTAVES = 1e-5, 2, 9
"""b is looked for from the first on, in so many steps to each doubling: up to 5e-3, that of a
piano's highest strings."""
NEAR_SEMITONES = 0.7
"""Standard deviation of how far a pitch tells of another's b."""
LEAST_GAIN = 1.06
"""A pianist's notes gain 10 to 40 %, those of winds and bows by themselves at most 0.1 %, and in a
mixture, where few frames have another's harmonics near by, up to 4 %."""
LEAST_FRAMES = 5.0


@dataclass(frozen=True)
class Inharmonicity:
    """b of every instrument at every pitch, ``table [i, g]``."""

    table: Tensor
    frame: GaborFrame

    @classmethod
    def learn(
        cls,
        tones: Framewise[Tones],
        spectra: Framewise[Tensor],
        frame: GaborFrame,
        n_harmonics: int,
    ) -> Inharmonicity:
        """From as much of a recording as timbres are learned from.

        Args:
            tones: of all frames, ``[n, i]``.
            spectra: of all frames, ``[n, f]``.
            frame: the representation.
            n_harmonics: of a tone.
        """
        on = tones[:1].on
        values = LEAST * 2 ** (torch.arange(PER_OCTAVE * N_OCTAVES + 1) / PER_OCTAVE)
        values = torch.cat([torch.zeros(1), values]).to(on)  # b
        n_instruments = on.shape[1]
        first_rows = N_SEMITONES * torch.arange(n_instruments, device=on.device)
        gains = on.new_zeros(n_instruments * N_SEMITONES, len(values))
        every = slice(None, None, LEARNED_HOPS)
        for part in excerpt(len(tones), EXCERPT_STRETCHES, STRETCH_FRAMES):
            for block in stretches(part, LEARNED_HOPS * BLOCK_FRAMES):
                heard = tones[block][every]
                gain = _gains(heard, spectra[block][every], values, frame, n_harmonics)
                rows = (first_rows + _rows(heard, frame)).flatten()
                sounding = (heard.on > 0).flatten()
                gains.index_add_(0, rows[sounding], gain[sounding])
        total = nearness(NEAR_SEMITONES, on) @ gains.view(n_instruments, N_SEMITONES, -1)
        n_frames = total[..., :1]  # a frame's gain with b = 0 is 1
        best = (total / n_frames.clamp_min(1e-12)).max(-1)
        worth = (best.values > LEAST_GAIN) & (n_frames[..., 0] > LEAST_FRAMES)
        return cls(torch.where(worth, values[best.indices], 0.0), frame)

    def of(self, tones: Tones) -> Tones:
        """Some frames' tones ``[n, i]`` with this b instead of their own."""
        instruments = torch.arange(len(self.table), device=self.table.device)
        return replace(tones, inharmonicity=self.table[instruments, _rows(tones, self.frame)])


def _gains(
    tones: Tones, spectra: Tensor, values: Tensor, frame: GaborFrame, n_harmonics: int
) -> Tensor:
    """How much stronger the harmonics are with every b than with the first, ``[k, b]``."""
    strength = magnitude(matched_filter(spectra, frame.ideal_width_bins)).sqrt()
    rows = strength.repeat_interleave(tones.on.shape[1], 0)  # k, f
    near = pitches_near(tones.f0_bins.flatten())
    strongest = [
        comb_strength(rows, near, value.expand(len(near)), n_harmonics=n_harmonics).amax(1)
        for value in values
    ]
    return torch.stack(strongest, 1) / strongest[0][:, None].clamp_min(1e-12)


def _rows(tones: Tones, frame: GaborFrame) -> Tensor:
    """Of every tone in its instrument's table, ``[n, i]``."""
    return semitone_rows(pitch_semitones(tones.f0_bins, frame))
