"""Decoded: the tones that were chosen of the hypotheses, and what they say of the instruments.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments, ``h`` harmonics, ``c`` channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding.costs import Candidates
from musisep_cli.methods.decoding.hypotheses import Hypotheses
from musisep_cli.methods.decoding.path import Decoding
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.tones import Tones, pitch_semitones


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

    def __getitem__(self, block: slice) -> Tones:
        """Of some consecutive frames, ``[n, i]``."""
        found, chosen = self._chosen(block)
        tones = found.tones[chosen]
        return replace(tones, on=tones.on.to(tones.f0_bins.dtype))

    def loudness(self, block: slice) -> Tensor:
        """How loud they are, 0 for those that are off, ``[n, i]``."""
        found, chosen = self._chosen(block)
        return found.loudness[chosen]

    def _chosen(self, block: slice) -> tuple[Hypotheses, tuple[Tensor, Tensor, Tensor]]:
        """Some frames' hypotheses, and which of their tones were chosen."""
        found = self.found[block]
        device = found.log_prob.device
        frames = torch.arange(len(found), device=device)[:, None]
        chosen = torch.from_numpy(self.decoding.hypotheses[block]).to(device)[:, None]
        return found, (frames, chosen, torch.from_numpy(self.decoding.tones[block]).to(device))


def candidates_of(found: Hypotheses, frame: GaborFrame, *, places: bool) -> Candidates:
    """Some frames' hypotheses as they are decoded, with ``places`` by timbres in every channel."""
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
    """D ``[h, i]`` from lifted timbres ``[i, c h]``: squared, with maximum 1 and the usual floor.

    An instrument that was never heard has no timbre yet, and starts as the untrained one.
    """
    in_channels = timbres.square().unflatten(1, (-1, config.n_harmonics))
    relative = in_channels.sum(1).T.float()
    highest = relative.amax(0)
    untrained = start_dictionary(config, len(timbres))
    scaled = (relative / highest.clamp_min(1e-12)).clamp_min(config.start_floor)
    return torch.where(highest > 0, scaled, untrained)
