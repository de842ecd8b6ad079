"""Decoded: the tones that were chosen of the hypotheses, and the dictionary that follows from them.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments, ``v`` voices, ``h`` harmonics,
``c`` channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.players.costs import Candidates
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.scene import Decoding
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.tones import Tones, pitch_semitones

TINY = 1e-12
"""Least amplitude by which a column of the dictionary is divided."""


@dataclass(frozen=True)
class Decoded:
    """The tones that were decoded, ``Framewise``, a slot per voice.

    Attributes:
        found: the hypotheses of all frames.
        decoding: what was chosen of them.
    """

    found: Framewise[Hypotheses]
    decoding: Decoding

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.found)

    def __getitem__(self, block: slice) -> Tones:
        """Return the tones of some consecutive frames, ``[n, v]``."""
        found, chosen = self._chosen(block)
        tones = found.tones[chosen]
        return replace(tones, on=tones.on.to(tones.f0_bins.dtype))

    def loudness(self, block: slice) -> Tensor:
        """Return how loud the tones of a block are, 0 for those that are off, ``[n, v]``."""
        found, chosen = self._chosen(block)
        return found.loudness[chosen]

    def _chosen(self, block: slice) -> tuple[Hypotheses, tuple[Tensor, Tensor, Tensor]]:
        """Return some frames' hypotheses, and the index of the tones that were chosen."""
        found = self.found[block]
        device = found.log_prob.device
        frames = torch.arange(len(found), device=device)[:, None]
        chosen = torch.from_numpy(self.decoding.hypotheses[block]).to(device)[:, None]
        return found, (frames, chosen, torch.from_numpy(self.decoding.tones[block]).to(device))


def notes_of(decoded: Decoded, reach: int) -> NotesAround:
    """Return the decoded tones of every frame with those of other notes near by.

    Args:
        decoded: the tones of all frames.
        reach: how many frames before and after are looked at.
    """
    return NotesAround(decoded, reach, decoded.decoding.voices.players)


def candidates_of(found: Hypotheses, frame: GaborFrame, *, places: bool) -> Candidates:
    """Return hypotheses as they are decoded.

    Args:
        found: the hypotheses of some frames.
        frame: the representation.
        places: whether a timbre is that in every channel, or that in their mean.
    """
    # A timbre in several channels: the harmonics' unit vector times that of the channels.
    place = found.place if places else found.place.norm(dim=-1, keepdim=True)
    timbres = place[..., None] * found.timbre[..., None, :]
    return Candidates(
        log_prob=found.log_prob.cpu().numpy(),
        misfit=found.misfit.cpu().numpy(),
        pitch_semitones=pitch_semitones(found.tones.f0_bins, frame).cpu().numpy(),
        loudness=found.loudness.cpu().numpy(),
        timbres=timbres.flatten(-2).cpu().numpy(),
    )


def dictionary_of_timbres(timbres: Tensor, config: DictionaryConfig) -> Tensor:
    """Return D ``[h, i]`` from lifted timbres ``[i, c h]``.

    Timbres are squared, to undo the lift, summed over the channels and scaled to a maximum of 1. An
    instrument that was never heard has no timbre yet, and starts as in the untrained dictionary.
    """
    in_channels = timbres.square().unflatten(1, (-1, config.n_harmonics))
    relative = in_channels.sum(1).T.float()
    highest = relative.amax(0)
    untrained = start_dictionary(config, len(timbres))
    scaled = (relative / highest.clamp_min(TINY)).clamp_min(config.start_floor)
    return torch.where(highest > 0, scaled, untrained)
