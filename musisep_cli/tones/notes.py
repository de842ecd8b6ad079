"""Notes: the tones of every frame, with those of other notes that sound near by.

A frame reaches over several hops to both sides. At a change of note it holds the end of one note
and the beginning of the other. Explained by one of them alone, the other's sound would go to
another instrument or to none.

Axes: ``n`` frames, ``i`` instruments, ``t = 3 i`` tones of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows, Framewise
from musisep_cli.frames.leaves import leafwise
from musisep_cli.tones.tones import NOTE_SEMITONES, Tones

LEAST_BINS = 1e-6
"""Pitches in bins are kept above this before they are divided by: those of tones that are off may
be 0."""


@dataclass(frozen=True)
class NeighbourTones(FrameRows):
    """The tones of some frames and those of the nearest other notes, each ``[n, i]``.

    Attributes:
        own: what the instruments play in the frame.
        before: the last other note that each has played shortly before, or off.
        after: the next other note that each will play shortly after, or off.
    """

    own: Tones
    before: Tones
    after: Tones

    @classmethod
    def split(cls, tones: Tones) -> NeighbourTones:
        """Return the three of ``in_a_row``, ``[n, 3 i]``."""
        n_instruments = tones.on.shape[1] // 3
        parts = (slice(k * n_instruments, (k + 1) * n_instruments) for k in range(3))
        return cls(*(tones[:, part] for part in parts))

    @property
    def in_a_row(self) -> Tones:
        """All tones of every frame: own, then before, then after, ``[n, 3 i]``."""
        return self.own.beside(self.before, self.after)

    @property
    def changing(self) -> Tensor:
        """Whether a frame holds another note besides those of the instruments, bool ``[n]``."""
        return ((self.before.on > 0) | (self.after.on > 0)).any(1)

    @property
    def sounding(self) -> Tones:
        """The tones to explain the frames by: ``in_a_row``, or ``own`` where no frame changes."""
        return self.in_a_row if bool(self.changing.any()) else self.own


@dataclass(frozen=True)
class NotesAround:
    """The tones of all frames, a block at a time, with those of other notes near by.

    Attributes:
        tones: what the instruments play, ``[n, i]``; several tones of each if there are voices.
        reach: how many frames before and after are looked at.
        n_instruments: tone k is played by instrument k mod this; 0 for a tone of each.
    """

    tones: Framewise[Tones]
    reach: int
    n_instruments: int = 0

    @cached_property
    def instruments(self) -> Tensor:
        """Which instrument plays each of the tones ``in_a_row``, ``[t]``."""
        on = self.tones[:1].on
        n_tones = on.shape[1]
        players = torch.arange(n_tones, device=on.device) % (self.n_instruments or n_tones)
        return players.repeat(3)

    def players(self, tones: Tones) -> Tensor:
        """Return which instrument plays each of some frames' first tones, ``[t]``."""
        return self.instruments[: tones.on.shape[1]]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.tones)

    def __getitem__(self, block: slice) -> NeighbourTones:
        """Return the tones of some consecutive frames."""
        # Read once, as far as the notes around may lie.
        first, last, _ = block.indices(len(self))
        wide = slice(max(first - self.reach, 0), min(last + self.reach, len(self)))
        tones = self.tones[wide]
        here = torch.arange(first, last, device=tones.on.device) - wide.start
        own = tones[here]
        before = _next_notes(tones, here, [own], -self.reach)
        after = _next_notes(tones, here, [own, before], self.reach)
        return NeighbourTones(own, before, after)


def _next_notes(tones: Tones, here: Tensor, found: list[Tones], reach: int) -> Tones:
    """Return the nearest tones that are other notes than those found already, or off, ``[n, i]``.

    Args:
        tones: of all frames that are looked at.
        here: rows of the frames that are asked for, ``[n]``.
        found: what these have already, own tones first, ``[n, i]`` each.
        reach: how many frames are looked at, negative for those before.
    """
    nearest = replace(found[0], on=torch.zeros_like(found[0].on))
    # From the nearest frame outwards: the first other note that is met is kept.
    for distance in range(1, abs(reach) + 1):
        frames = here + distance * (1 if reach > 0 else -1)
        others = tones[frames.clamp(0, len(tones) - 1)]
        is_new = (others.on > 0) & (nearest.on == 0)
        for each in found:
            # A tone within NOTE_SEMITONES of one found already is the same note going on.
            semitones = 12 * torch.log2(others.f0_bins / each.f0_bins.clamp_min(LEAST_BINS)).abs()
            is_new &= (semitones > NOTE_SEMITONES) | (each.on == 0)
        nearest = leafwise(
            lambda new, old, chosen=is_new: torch.where(chosen, new, old), others, nearest
        )
    return nearest
