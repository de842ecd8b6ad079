"""Inharmonicity: how far the harmonics of an instrument's strings are spread, at every pitch.

A stiff string has its harmonics at f_h = f_1 h sqrt(1 + b h^2) (Eq. 3): the tenth harmonic of a
piano's c' is 30 cents sharp. The higher the harmonic, the further it lies from an exact multiple.

Departs from the paper (Table 1), where the network finds b for every tone. A single frame says
little about b, and the warm start takes it for 0. But b belongs to the string: it is the same in
all frames in which an instrument plays a pitch, and nearly the same at the pitches next to it. So
it is learned from all of them. The strength of a harmonic at frequency f is

    s(f) = sqrt|<g_f, Y>|,                                                                      (1)

with the root, so that faint harmonics count too. How much stronger the harmonics of a frame are
with b than without, each at the best fundamental f_1, is

    gain_n(b) = max_f1 sum_h s(f_h(f_1, b)) / max_f1 sum_h s(f_h(f_1, 0)),                      (2)
    b[i, g] = argmax_b mean_n gain_n(b),                                                        (3)

the mean over the frames in which instrument i plays semitone g or one near to it. Where the best
gain is next to nothing, b is 0: the harmonics of winds and bowed strings are exact multiples.

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
"""The values of b that are tried: from the least on, with so many steps to a doubling, over so many
doublings. They end at 5e-3, that of a piano's highest strings."""
NEAR_SEMITONES = 0.7
"""Semitones, a standard deviation: how near two pitches are for one to tell of the other's b."""
LEAST_GAIN = 1.06
"""Gain below which b is taken for 0. A piano's notes gain 10 to 40 %, those of winds and bowed
strings at most 0.1 % by themselves, and up to 4 % in a mixture, by another's harmonics near by."""
LEAST_FRAMES = 5.0
"""Number of frames, weighted by nearness in pitch, below which b is taken for 0."""
LEAST_WEIGHT = 1e-12
"""Sums are not divided by less than this: those of pitches that nobody plays are 0."""


@dataclass(frozen=True)
class Inharmonicity:
    """The inharmonicity of every instrument at every pitch.

    Attributes:
        table: b, ``[i, g]``.
        frame: the representation that pitches are in bins of.
    """

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
        """Learn it from as much of a recording as timbres are learned from.

        Args:
            tones: of all frames, ``[n, i]``.
            spectra: of all frames, ``[n, f]``.
            frame: the representation.
            n_harmonics: number of harmonics of a tone.
        """
        on = tones[:1].on
        values = LEAST * 2 ** (torch.arange(PER_OCTAVE * N_OCTAVES + 1) / PER_OCTAVE)
        values = torch.cat([torch.zeros(1), values]).to(on)  # all b; the first is 0
        n_instruments = on.shape[1]
        first_rows = N_SEMITONES * torch.arange(n_instruments, device=on.device)
        gains = on.new_zeros(n_instruments * N_SEMITONES, len(values))  # sums over frames, i g, b
        every = slice(None, None, LEARNED_HOPS)
        for part in excerpt(len(tones), EXCERPT_STRETCHES, STRETCH_FRAMES):
            for block in stretches(part, LEARNED_HOPS * BLOCK_FRAMES):
                heard = tones[block][every]
                gain = _gains(heard, spectra[block][every], values, frame, n_harmonics)
                rows = (first_rows + _rows(heard, frame)).flatten()
                sounding = (heard.on > 0).flatten()
                gains.index_add_(0, rows[sounding], gain[sounding])
        # The mean of (3), with frames of neighbouring pitches weighted by their nearness. The gain
        # of a frame with b = 0 is 1, so that the first column counts the frames.
        total = nearness(NEAR_SEMITONES, on) @ gains.view(n_instruments, N_SEMITONES, -1)
        n_frames = total[..., :1]
        best = (total / n_frames.clamp_min(LEAST_WEIGHT)).max(-1)  # (3)
        worth = (best.values > LEAST_GAIN) & (n_frames[..., 0] > LEAST_FRAMES)
        return cls(torch.where(worth, values[best.indices], 0.0), frame)

    def of(self, tones: Tones) -> Tones:
        """Return tones ``[n, i]`` with the learned b instead of their own."""
        instruments = torch.arange(len(self.table), device=self.table.device)
        return replace(tones, inharmonicity=self.table[instruments, _rows(tones, self.frame)])


def _gains(
    tones: Tones, spectra: Tensor, values: Tensor, frame: GaborFrame, n_harmonics: int
) -> Tensor:
    """Return the gain of (2) of every tone with every b, ``[k, b]``."""
    strength = magnitude(matched_filter(spectra, frame.ideal_width_bins)).sqrt()  # (1)
    rows = strength.repeat_interleave(tones.on.shape[1], 0)  # k, f
    near = pitches_near(tones.f0_bins.flatten())  # the f_1 that are tried, k, o
    strongest = [
        comb_strength(rows, near, value.expand(len(near)), n_harmonics=n_harmonics).amax(1)
        for value in values
    ]
    return torch.stack(strongest, 1) / strongest[0][:, None].clamp_min(LEAST_WEIGHT)  # (2)


def _rows(tones: Tones, frame: GaborFrame) -> Tensor:
    """Return the row of every tone in its instrument's table, ``[n, i]``."""
    return semitone_rows(pitch_semitones(tones.f0_bins, frame))
