"""Held notes: further hypotheses of notes that sound on where their frame does not show them.

Not in the paper. A tone that the others cover is in no hypothesis of its frame: the network names
what it sees. But few notes are shorter than a tenth of a second, and the frames before and after
may show it. So once it is decoded what every instrument plays, every frame gets further hypotheses:

- that one instrument still holds its note from before, or already has its next one, while the
  others play what was decoded;
- that all of them do.

Then all frames are decoded again.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Derived, Framewise, Together, stretches
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spectra import audible
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.players.decoded import Decoded, notes_of
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses, SetFit
from musisep_cli.players.scene import Decoding
from musisep_cli.tones.notes import NeighbourTones, NotesAround
from musisep_cli.tones.tones import Tones

HELD_FRAMES = 8
"""Number of frames before and after in which a note is looked for: 85 ms at the paper's hop."""
FRAMES_AT_ONCE = 32
"""Number of frames that get their further hypotheses at once; bounds the memory of the fits."""


@dataclass(frozen=True)
class Held:
    """The further hypotheses of every frame, ``Framewise``.

    Attributes:
        found: the hypotheses that were decoded.
        decoding: what was chosen of them.
        channels: spectra of all frames, complex ``[n, c, f]``.
        fit: how tones are fitted to the spectra.
        nats: by how much a further hypothesis is less probable than what was chosen.
    """

    found: Framewise[Hypotheses]
    decoding: Decoding
    channels: Framewise[Tensor]
    fit: SetFit
    nats: float

    @cached_property
    def notes(self) -> NotesAround:
        """The tones that were chosen, and the other notes near by."""
        return notes_of(Decoded(self.found, self.decoding), HELD_FRAMES)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.found)

    def __getitem__(self, block: slice) -> Hypotheses:
        """Return the further hypotheses of some consecutive frames, ``2 (i + 1)`` each.

        Where there is no note to hold, a hypothesis has no tones and is next to impossible.
        """
        channels = self.channels[block]
        tones, are_new = held_tones(self.notes[block])
        chosen = self.found[block].only(self.decoding.hypotheses[block]).log_prob  # n, 1
        # Only the new ones are fitted, each as the single hypothesis of its frame.
        frames = are_new.nonzero()[:, 0]
        each = tones[are_new][:, None]
        fitted = self.fit(chosen[frames] - self.nats, each, channels[frames])

        def in_place(values: Tensor) -> Tensor:
            """Return values of the new hypotheses ``[k, 1, ...]`` at their places, else 0."""
            whole = values.new_zeros(*are_new.shape, *values.shape[2:])
            whole[are_new] = values[:, 0]
            return whole

        held = leafwise(in_place, fitted)
        log_prob = torch.where(are_new, held.log_prob, 2 * LEAST_LOG_PROB)
        return replace(held, log_prob=log_prob).heard(audible(channels.mean(1)))


def held_tones(tones: NeighbourTones) -> tuple[Tones, Tensor]:
    """Return sets of tones with notes from before or after, and which of them are new.

    Args:
        tones: of some frames, with the other notes near by, ``[n, i]``.

    Returns:
        ``[n, s, i]`` and bool ``[n, s]``.
    """
    n_instruments = tones.own.on.shape[1]
    # For every side: each instrument by itself, then all together.
    alone = torch.eye(n_instruments, device=tones.own.on.device)
    asked = torch.cat([alone, torch.ones_like(alone[:1])]).bool()  # s, i
    least = torch.where(asked.all(1), min(2, n_instruments), 1)  # one note held is held alone
    held, are_new = [], []
    for others in (tones.before, tones.after):
        taken = asked & (others.on[:, None] > 0)  # n, s, i
        are_new.append(taken.sum(-1) >= least)
        held.append(
            leafwise(
                lambda new, old, chosen=taken: torch.where(chosen, new[:, None], old[:, None]),
                others,
                tones.own,
            )
        )
    return held[0].beside(held[1]), torch.cat(are_new, 1)


def with_held(
    held: Held, kept: SpooledFrames[Hypotheses], pause: Callable[[], None]
) -> Framewise[Hypotheses]:
    """Return the hypotheses with the further ones beside them.

    Args:
        held: the further ones.
        kept: the file that they are written to.
        pause: called block after block; may raise to end the work.

    Raises:
        OutputError: the disk is full.
    """
    for block in stretches(len(held), FRAMES_AT_ONCE):
        pause()
        kept.add(held[block])
    return Derived(Together(held.found, kept), lambda both: both[0].beside(both[1]))
