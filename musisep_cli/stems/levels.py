"""Levels: how loud a note is where other tones hide it.

Not in the paper. What a harmonic is expected to be hangs on the level of its tone (``timbre``). A
tone with harmonics of its own shows it in every frame. Of one whose harmonics all are another's as
well, an octave over it say, a frame shows what both are together, which beats as their phases turn.
But a note goes on, and what it was in the frames around is as good a guess.

With the harmonics e_h that all tones of a frame are expected to have, in a peak of width sigma,

    s = sum_h e_h^2 (e_h / (e_h + sum_h' e_h' exp(-(f_h - f_h')^2 / (4 sigma^2)))) / sum_h e_h^2,

h' those of the other tones, is how far a tone is seen for itself: 1 if it is alone. Of its level l
there is left, over the frames m of the same note,

    l[n]^s L[n]^(1 - s),  L[n]^2 = sum_m w[m] l[m]^2 / sum_m w[m],
    w[m] = (s[m] + 0.1) exp(-((m - n) hop / level_s)^2 / 2).

Axes: ``n`` frames, ``t`` tones of a frame, ``i`` instruments, ``h`` harmonics, ``j`` those of all
tones of a frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from musisep_cli.tones.peaks import Peaks
from musisep_cli.tones.tones import NOTE_SEMITONES, Tones

LEAST_SEEN = 0.1
"""Weight of a frame in which nothing of a tone is seen for itself."""
REACH = 3.0
"""Frames further away than this, relative to ``level_s``, have no say."""
TINY = 1e-12


def seen(peaks: Peaks, expected: Tensor, n_tones: int) -> Tensor:
    """How far every tone is seen for itself: s, 0 for those that are off, ``[n, t]``.

    Args:
        peaks: of all harmonics, ``[n, j]``.
        expected: e, ``[n, j]``.
        n_tones: t.
    """
    expected = expected * (peaks.positions <= peaks.n_bins - 1)  # a tone that is off is far outside
    gram = peaks.gram()
    whose = torch.arange(n_tones, device=expected.device)
    whose = whose.repeat_interleave(expected.shape[1] // n_tones)
    near = gram / gram.diagonal(dim1=1, dim2=2).amax(1)[:, None, None]
    others = ((near * (whose[:, None] != whose)) @ expected[..., None])[..., 0]
    share = expected / (expected + others).clamp_min(TINY)
    powers = expected.square().unflatten(1, (n_tones, -1))
    of_tone: Tensor = (powers * share.view_as(powers)).sum(2) / powers.sum(2).clamp_min(TINY**2)
    return of_tone


def steadied(levels: Tensor, seen: Tensor, tones: Tones, *, hop_s: float, level_s: float) -> Tensor:
    """What the levels are multiplied by, 1 for tones that are off, ``[n, i]``.

    Args:
        levels: l, of consecutive frames, ``[n, i]``.
        seen: s, ``[n, i]``.
        tones: of the instruments, ``[n, i]``.
        hop_s: between frames.
        level_s: how long a level is alike; 0: every frame is for itself.
    """
    on = tones.on > 0
    if level_s == 0:
        return torch.ones_like(levels)
    semitones = 12 * torch.log2(tones.f0_bins.clamp_min(1e-6))
    goes_on = on[:-1] & on[1:] & (semitones.diff(dim=0).abs() < NOTE_SEMITONES)
    weights = seen + LEAST_SEEN
    of_frame = torch.stack([weights * levels.square(), weights])
    sums = of_frame.clone()
    alike = torch.ones_like(on)  # frames n and n + distance are of one note
    for distance in range(1, 1 + min(math.floor(REACH * level_s / hop_s), len(levels) - 1)):
        alike = alike[:-1] & goes_on[distance - 1 :]
        weight = math.exp(-0.5 * (distance * hop_s / level_s) ** 2) * alike
        sums[:, :-distance] += weight * of_frame[:, distance:]
        sums[:, distance:] += weight * of_frame[:, :-distance]
    around = (sums[0] / sums[1]).sqrt()
    factor = (around / levels.clamp_min(TINY)) ** (1 - seen)
    return torch.where(on & (levels > TINY), factor, 1.0)
