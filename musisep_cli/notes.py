"""Notes: the tones that were decoded, as they stand in the recording's frames.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments, ``t`` tones of a frame, ``h``
harmonics, ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.decoding import Decoding
from musisep_cli.framewise import Framewise, excerpt, stretches
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.policy.hypotheses import Hypotheses
from musisep_cli.policy.joint import Pitches
from musisep_cli.resynthesis import BLOCK_FRAMES
from musisep_cli.timbre import Comb, Timbres
from musisep_cli.transcript import LOWEST_HZ

NOTE_SEMITONES = 0.7
"""Tones of an instrument that are further apart are two notes, not one with vibrato."""
EXCERPT_STRETCHES, STRETCH_FRAMES = 16, 512
"""Timbres are learned from this much of a recording: 87 seconds, wherever it is longer."""
LEARNED_HOPS = 4
"""What all frames of a note have in common is learned from every fourth: the next ones hold almost
the same sound."""


@dataclass(frozen=True)
class Decoded:
    """The tones that were decoded, a slot per instrument, a block at a time.

    Attributes:
        found: the hypotheses of all frames.
        decoding: what was chosen of them.
    """

    found: Framewise[Hypotheses]
    decoding: Decoding

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.found)

    def __getitem__(self, block: slice) -> Pitches:
        """Of some consecutive frames, ``[n, i]``."""
        found, chosen = self._chosen(block)
        f0_bins = found.f0_bins[chosen]
        return Pitches(
            on=found.on[chosen].to(f0_bins.dtype),
            f0_bins=f0_bins,
            inharmonicity=found.inharmonicity[chosen],
        )

    def loudness(self, block: slice) -> Tensor:
        """How loud they are, 0 for those that are off, ``[n, i]``."""
        found, chosen = self._chosen(block)
        return found.loudness[chosen]

    def _chosen(self, block: slice) -> tuple[Hypotheses, tuple[Tensor, Tensor, Tensor]]:
        """Some frames' hypotheses, and which of their tones were chosen."""
        found = self.found[block]
        device = found.on.device
        frames = torch.arange(len(found), device=device)[:, None]
        chosen = torch.from_numpy(self.decoding.hypotheses[block]).to(device)[:, None]
        return found, (frames, chosen, torch.from_numpy(self.decoding.tones[block]).to(device))


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

    played: Framewise[Pitches]
    reach: int

    @cached_property
    def instruments(self) -> Tensor:
        """Which of them plays each of the tones, ``[t]``."""
        own = self.played[:1].on
        return torch.arange(own.shape[1], device=own.device).repeat(3)

    def players(self, tones: Pitches) -> Tensor:
        """Those of some frames' first tones, ``[t]``."""
        return self.instruments[: tones.on.shape[1]]

    def sounding(self, tones: Pitches) -> Pitches:
        """Some frames without the notes around, where none of them has any."""
        own = len(self.instruments) // 3
        return tones if bool((tones.on[:, own:] > 0).any()) else tones[:, :own]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.played)

    def __getitem__(self, block: slice) -> Pitches:
        """Of some consecutive frames."""
        first, last, _ = block.indices(len(self))
        wide = slice(max(first - self.reach, 0), min(last + self.reach, len(self)))
        around = self.played[wide]
        here = torch.arange(first, last, device=around.on.device) - wide.start
        own = around[here]
        before = _next_notes(around, here, own, [own], -self.reach)
        after = _next_notes(around, here, own, [own, before], self.reach)
        return own.beside(before, after)


def _next_notes(
    around: Pitches, here: Tensor, own: Pitches, known: list[Pitches], reach: int
) -> Pitches:
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
        found = Pitches(*(torch.where(new, tone, value) for tone, value in columns))
    return found


def comb_of(
    pitches: Pitches,
    instruments: Tensor,
    spectra: Tensor,
    frame: GaborFrame,
    n_harmonics: int,
    width: float | None = None,
) -> Comb:
    """Frames ``[n, f]`` at the harmonics of their tones ``[n, t]``, by instruments ``[t]``.

    Peaks are ``width`` bins wide; of the frame's own windows they have the ideal width.
    """
    return Comb.of(
        pitches,
        instruments,
        pitch_semitones(pitches.f0_bins, frame),
        spectra,
        n_harmonics=n_harmonics,
        width=width or frame.ideal_width_bins,
    )


def learn_timbres(
    around: NotesAround, spectra: Framewise[Tensor], dictionary: Tensor, frame: GaborFrame
) -> Timbres:
    """The timbres of all instruments, from as much of the recording as it takes.

    Args:
        around: all tones.
        spectra: of all frames, ``[n, f]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
    """
    n_harmonics, _ = dictionary.shape
    combs = [
        comb_of(around[block], around.instruments, spectra[block], frame, n_harmonics)
        for part in excerpt(len(around), EXCERPT_STRETCHES, STRETCH_FRAMES)
        for block in stretches(part, BLOCK_FRAMES)
    ]
    return Timbres.learn(dictionary, combs)


def pitch_semitones(f0_bins: Tensor, frame: GaborFrame) -> Tensor:
    """MIDI numbers, of the shape of ``f0_bins``."""
    return 69 + 12 * torch.log2((f0_bins * frame.bin_hz).clamp_min(LOWEST_HZ) / 440)
