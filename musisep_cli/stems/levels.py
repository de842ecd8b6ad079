"""Levels: how loud a note is where other tones hide it.

Not in the paper. What a harmonic is expected to be depends on the level of its tone (``timbre``). A
tone with harmonics of its own shows it in every frame. Of one whose harmonics all are another's as
well, an octave over it say, a frame shows what both are together, which beats as their phases turn.
But a note goes on, and what it was in the frames around is as good a guess.

All tones of a frame are expected to have harmonics of magnitude e_h, in peaks of width sigma. How
far a tone is seen apart from the others, 1 if it is alone, is

    s = sum_h e_h^2 o_h / sum_h e_h^2,                                                          (1)
    o_h = e_h / (e_h + sum_h' e_h' exp(-(f_h - f_h')^2 / (4 sigma^2))),                         (2)

with the harmonics h' of the other tones. The less a tone is seen, the more its level l[n] gives way
to the mean L over the frames m of the same note:

    l[n]^s L[n]^(1 - s),                                                                        (3)
    L[n]^2 = sum_m w[m] l[m]^2 / sum_m w[m],                                                    (4)
    w[m] = (s[m] + 0.1) exp(-((m - n) hop / level_s)^2 / 2).                                    (5)

Axes: ``n`` frames, ``t`` tones of a frame, ``i`` instruments, ``h`` harmonics, ``j`` those of all
tones of a frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from musisep_cli.tones.peaks import Peaks
from musisep_cli.tones.tones import Tones, note_steps

LEAST_SEEN = 0.1
"""Weight in (5) of a frame in which nothing of a tone is seen apart from the others."""
REACH = 3.0
"""Distance beyond which frames have no say, relative to ``level_s``: exp(-3^2 / 2) = 1 %."""
TINY = 1e-12
"""Levels below this count as 0, and no sum is divided by less."""


def seen(peaks: Peaks, expected: Tensor, n_tones: int) -> Tensor:
    """Return s of (1): how far every tone is seen apart, 0 for those that are off, ``[n, t]``.

    Args:
        peaks: of all harmonics, ``[n, j]``.
        expected: e, ``[n, j]``.
        n_tones: number of tones of a frame.
    """
    expected = expected * (peaks.positions <= peaks.n_bins - 1)  # a tone that is off is far outside
    gram = peaks.gram()
    whose = torch.arange(n_tones, device=expected.device)
    whose = whose.repeat_interleave(expected.shape[1] // n_tones)
    # The overlap of two peaks of one width, relative to that of a peak with itself, is the
    # exponential of (2).
    near = gram / gram.diagonal(dim1=1, dim2=2).amax(1)[:, None, None]
    others = ((near * (whose[:, None] != whose)) @ expected[..., None])[..., 0]
    share = expected / (expected + others).clamp_min(TINY)  # (2)
    powers = expected.square().unflatten(1, (n_tones, -1))
    # (1)
    of_tone: Tensor = (powers * share.view_as(powers)).sum(2) / powers.sum(2).clamp_min(TINY**2)
    return of_tone


def steadied(levels: Tensor, seen: Tensor, tones: Tones, *, hop_s: float, level_s: float) -> Tensor:
    """Return what levels are multiplied by to become (3), 1 for tones that are off, ``[n, i]``.

    Args:
        levels: l, of consecutive frames, ``[n, i]``.
        seen: s, ``[n, i]``.
        tones: what the instruments play, ``[n, i]``.
        hop_s: time between frames, in seconds.
        level_s: how long a level is alike, in seconds; 0: every frame is for itself.
    """
    on = tones.on > 0
    if level_s == 0:
        return torch.ones_like(levels)
    _, goes_on = note_steps(tones)
    weights = seen + LEAST_SEEN
    # Both sums of (4) at once, over the frames at every distance to both sides.
    of_frame = torch.stack([weights * levels.square(), weights])
    sums = of_frame.clone()
    alike = torch.ones_like(on)  # frames n and n + distance are of one note
    for distance in range(1, 1 + min(math.floor(REACH * level_s / hop_s), len(levels) - 1)):
        alike = alike[:-1] & goes_on[distance - 1 :]
        # (5)
        weight = math.exp(-0.5 * (distance * hop_s / level_s) ** 2) * alike
        sums[:, :-distance] += weight * of_frame[:, distance:]
        sums[:, distance:] += weight * of_frame[:, :-distance]
    around = (sums[0] / sums[1]).sqrt()  # L of (4)
    factor = (around / levels.clamp_min(TINY)) ** (1 - seen)  # (3) over l
    return torch.where(on & (levels > TINY), factor, 1.0)
