"""Worth: how many instruments have tones of their own, by what the last tone of a set explains.

Not in the paper. Asked for more instruments than there are, the search finds tones for all of them:
the octave of a tone takes half of its harmonics, what rings on is a tone as well. Then the notes of
one instrument are dealt out to two. Such a tone explains next to nothing that a set without it
would leave. In a frame, the worth of the k-th tone is

    worth = min_{sets of fewer than k tones} cost - min_{sets of up to k tones} cost,           (1)
    cost = weight_misfit misfit - weight_probability log_prob,                                  (2)

the first terms of the evidence (``costs``). Where it is above ``LEAST_WORTH`` the tone is one of
its own. An instrument has tones of its own if that is so in a share of the frames of some stretch:
a late entry, or a solo of another, leaves stretches enough. The second highest share counts, for
one stretch may hold a noise.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` tones, as many as instruments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.frames.framewise import BLOCK_FRAMES, Derived, Framewise, stretches
from musisep_cli.frames.leaves import leafwise
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.tones.tone_count import second_highest

LEAST_WORTH = 1.0
"""Least worth of a tone of its own, in units of cost; below that of a rest, 1.5."""
LEAST_SAY = 0.2
"""Share of the usual loudness, as its square root, below which a frame has no say."""
N_STRETCHES, FEWEST_STRETCHES, STRETCH_FRAMES = 12, 4, 94
"""Number of stretches of a recording, fewer of a short one, and their least length in frames, a
second at the paper's hop."""
MOST_DOUBTED = 3
"""Place of the last instrument that is doubted: of four true ones the fourth is seldom worth a
unit, for three tones explain most of what four hold."""
MOST_TOGETHER = 4
"""Number of instruments above which nobody is doubted at all: where more are asked for, so many
rest at any time that even a second tone is seldom one of its own throughout a stretch."""


@dataclass(frozen=True)
class Worth:
    """What the tones of the frames are worth.

    Attributes:
        of_tones: (1) of the second tone, the third and so on, ``[n, i - 1]``.
        loudness: sum over the tones of the cheapest set, ``[n]``.
    """

    of_tones: Tensor
    loudness: Tensor

    @classmethod
    def of(cls, found: Framewise[Hypotheses], config: DecodingConfig) -> Worth:
        """Return the worth of the tones of all frames."""
        blocks = [cls._of(found[block], config) for block in stretches(len(found), BLOCK_FRAMES)]
        return leafwise(lambda *rows: torch.cat(rows), *blocks)

    @classmethod
    def _of(cls, found: Hypotheses, config: DecodingConfig) -> Worth:
        n_tones = found.tones.on.sum(-1)  # n, s
        cost = (
            config.weight_misfit * found.misfit - config.weight_probability * found.log_prob
        )  # (2)

        def cheapest(most: int) -> Tensor:
            """Return the least cost of sets of up to so many tones, ``[n]``; silence misses all."""
            of_sets = cost.masked_fill(n_tones > most, config.weight_misfit)
            return of_sets.amin(1)

        columns = [
            cheapest(k - 1) - cheapest(k)
            for k in range(2, found.tones.on.shape[-1] + 1)  # (1)
        ]
        best = cost.argmin(1)
        loudness = found.loudness.sum(-1).gather(1, best[:, None])[:, 0]
        return cls(torch.stack(columns, 1) if columns else cost.new_zeros(len(cost), 0), loudness)

    def share(self, k: int) -> float:
        """Return in what share of a stretch the k-th tone is one of its own, 0 to 1."""
        usual = self.loudness.square().sum() / self.loudness.sum().clamp_min(1e-12)
        says = (self.loudness / usual.clamp_min(1e-12)).sqrt() > LEAST_SAY
        own = (self.of_tones[:, k - 2] > LEAST_WORTH) & says
        n_stretches = int(np.clip(len(own) // STRETCH_FRAMES, FEWEST_STRETCHES, N_STRETCHES))
        parts = zip(own.tensor_split(n_stretches), says.tensor_split(n_stretches), strict=True)
        return second_highest(
            [float(part.sum() / heard.sum()) for part, heard in parts if heard.any()]
        )


def n_with_own_tones(found: Framewise[Hypotheses], config: DecodingConfig) -> int:
    """Return how many instruments have tones of their own, 1 to all.

    Args:
        found: hypotheses of all frames, with as many tones as there are instruments.
        config: weights of (2), and the least share of own tones; 0: all have them.
    """
    n_instruments = found[:1].tones.on.shape[-1]
    if config.least_own == 0 or n_instruments == 1 or n_instruments > MOST_TOGETHER:
        return n_instruments
    worth = Worth.of(found, config)
    for k in range(2, min(n_instruments, MOST_DOUBTED) + 1):
        if worth.share(k) < config.least_own:
            return k - 1
    return n_instruments


def of_fewer(found: Framewise[Hypotheses], n_instruments: int) -> Framewise[Hypotheses]:
    """Return hypotheses of no more than so many tones; sets of more are as good as impossible."""

    def kept(block: Hypotheses) -> Hypotheses:
        """Return the hypotheses of some frames, those that sound before those that are off."""
        order = (~block.tones.on).to(torch.int8).argsort(dim=-1, stable=True)[..., :n_instruments]

        def first(values: Tensor) -> Tensor:
            """Return what belongs to the first tones, ``[n, s, i, ...]``."""
            places = order.view(*order.shape, *(1,) * (values.dim() - order.dim()))
            return values.gather(2, places.expand(*order.shape, *values.shape[3:]))

        too_many = block.tones.on.sum(-1) > n_instruments
        return replace(
            block,
            log_prob=block.log_prob.masked_fill(too_many, 2 * LEAST_LOG_PROB),
            misfit=block.misfit.masked_fill(too_many, 1.0),
            tones=leafwise(first, block.tones),
            loudness=first(block.loudness),
            timbre=first(block.timbre),
            place=first(block.place),
        )

    return Derived(found, kept)


def with_silent(
    found: Framewise[Hypotheses], decoding: Decoding, n_instruments: int
) -> tuple[Framewise[Hypotheses], Decoding]:
    """Return what was decoded with instruments behind it that never play, so many in all."""
    n_more = n_instruments - decoding.tones.shape[1]

    def padded(block: Hypotheses) -> Hypotheses:
        """Return hypotheses with as many tones that are off."""

        def more(values: Tensor) -> Tensor:
            """Return values ``[n, s, i, ...]`` with zeros for the tones that are off."""
            return functional.pad(values, (*(0, 0) * (values.dim() - 3), 0, n_more))

        return replace(
            block,
            tones=leafwise(more, block.tones),
            loudness=more(block.loudness),
            timbre=more(block.timbre),
            place=more(block.place),
        )

    off = np.arange(n_instruments - n_more, n_instruments)
    return Derived(found, padded), replace(
        decoding,
        tones=np.concatenate([decoding.tones, np.tile(off, (len(decoding.tones), 1))], 1),
        voices=Voices.single(n_instruments),
        instruments=decoding.instruments.with_silent(n_more),
    )
