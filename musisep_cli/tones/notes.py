"""Notes: the tones that were decoded, as they stand in the recording's frames.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments, ``t`` tones of a frame, ``h``
harmonics, ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.tones.tones import NOTE_SEMITONES, Tones


@dataclass(frozen=True)
class NotesAround:
    """The tones of every frame, and those of other notes near by, ``[n, 3 i]``.

    A frame reaches over several hops to both sides. At a change of note it holds the end of one and
    the beginning of the other; with one of them alone, the other's sound goes to another instrument
    or to none.

    Attributes:
        played: the tones, ``[n, i]``.
        reach: how many frames before and after are looked at.
    """

    played: Framewise[Tones]
    reach: int

    @cached_property
    def instruments(self) -> Tensor:
        """Which of them plays each of the tones, ``[t]``."""
        own = self.played[:1].on
        return torch.arange(own.shape[1], device=own.device).repeat(3)

    def players(self, tones: Tones) -> Tensor:
        """Those of some frames' first tones, ``[t]``."""
        return self.instruments[: tones.on.shape[1]]

    def sounding(self, tones: Tones) -> Tones:
        """Some frames without the notes around, where none of them has any."""
        own = len(self.instruments) // 3
        return tones if bool((tones.on[:, own:] > 0).any()) else tones[:, :own]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.played)

    def __getitem__(self, block: slice) -> Tones:
        """Of some consecutive frames."""
        first, last, _ = block.indices(len(self))
        wide = slice(max(first - self.reach, 0), min(last + self.reach, len(self)))
        around = self.played[wide]
        here = torch.arange(first, last, device=around.on.device) - wide.start
        own = around[here]
        before = _next_notes(around, here, own, [own], -self.reach)
        after = _next_notes(around, here, own, [own, before], self.reach)
        return own.beside(before, after)


def _next_notes(around: Tones, here: Tensor, own: Tones, known: list[Tones], reach: int) -> Tones:
    """The nearest tones within ``reach`` frames that are other notes than the known, or off."""
    found = replace(own, on=torch.zeros_like(own.on))
    for distance in range(1, abs(reach) + 1):
        frames = here + distance * (1 if reach > 0 else -1)
        tones = around[frames.clamp(0, len(around) - 1)]
        new = (tones.on > 0) & (found.on == 0)
        for other in known:
            semitones = 12 * torch.log2(tones.f0_bins / other.f0_bins.clamp_min(1e-6)).abs()
            new &= (semitones > NOTE_SEMITONES) | (other.on == 0)
        columns = zip(vars(tones).values(), vars(found).values(), strict=True)
        found = Tones(*(torch.where(new, tone, value) for tone, value in columns))
    return found
