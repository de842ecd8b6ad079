"""Transcription: from the hypotheses of all frames to what every instrument plays.

The first decoding knows an instrument by one timbre, whatever its pitch. From what it found, the
timbres at all pitches are learned, and every hypothesis is heard again as if these instruments
played it: levels alone are free. So decoded once more, octaves and rests come out better. What the
first decoding found also tells of notes that sound on where no hypothesis has them (``held``).

The same is the judge of who plays what. With instruments of one register the first decoding may
end in labels that mix two of them up, at less cost than the right ones have. But no timbres explain
a mixture of two instruments as well as those of each explain its own tones.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments and tones of a hypothesis, ``a``
assignments of tones to instruments, ``h`` harmonics, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Derived, Frames, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spool import Spool
from musisep_cli.methods.decoding.costs import Candidates, DecodingConfig, assignments
from musisep_cli.methods.decoding.decoded import Decoded, candidates_of, dictionary_of_timbres
from musisep_cli.methods.decoding.hypotheses import Hypotheses
from musisep_cli.methods.decoding.path import Decoding, Excerpt, decode, decode_again
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.timbre import Timbres, comb_of, learn_timbres
from musisep_cli.tones.tones import Tones

N_ROUNDS = 3
"""Decoded, further hypotheses found, decoded once more."""

Widen: TypeAlias = Callable[[Framewise[Hypotheses], Decoding], Framewise[Hypotheses]]


def transcribe(
    found: Framewise[Hypotheses],
    spectra: Framewise[Tensor],
    frame: GaborFrame,
    config: DecodingConfig,
    dictionary_config: DictionaryConfig,
    seed: int,
    *,
    widen: Widen | None = None,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = lambda: None,
    reached: Callable[[int], None] = lambda _: None,
) -> tuple[Framewise[Hypotheses], Decoding]:
    """What every instrument plays.

    Args:
        found: hypotheses of all frames.
        spectra: of all frames, ``[n, f]``.
        frame: the representation.
        config: weights.
        dictionary_config: of the dictionary that the timbres start from.
        seed: of the random starts.
        widen: adds further hypotheses to those found, once they are decoded.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block; may raise to end the work.
        reached: called with the number of rounds done, ``N_ROUNDS`` at the end.

    Returns:
        The hypotheses, with the further ones, and what was chosen of them.

    Raises:
        OutputError: the disk is full.
    """

    def candidates(found: Framewise[Hypotheses]) -> Framewise[Candidates]:
        return Derived(found, partial(candidates_of, frame=frame, places=config.places))

    def again(
        found: Framewise[Hypotheses], spectra: Framewise[Tensor], known: Decoding
    ) -> Decoding:
        """Decoded by the timbres at all pitches that follow from what is known."""
        around = NotesAround(Decoded(found, known), config.note_reach)
        dictionary = dictionary_of_timbres(torch.from_numpy(known.timbres), dictionary_config)
        timbres = learn_timbres(around, spectra, dictionary.to(spectra[:1].device), frame)
        misfits = Misfits(found, spectra, frame, timbres)
        return decode_again(candidates(found), known, misfits, config, scratch=scratch, pause=pause)

    def judge(excerpt: Excerpt, labelled: Sequence[Decoding]) -> Decoding:
        """The labels that cost least when they are decoded again."""
        kept = Frames(Hypotheses, sum(part.stop - part.start for part in excerpt.parts))
        for part in excerpt.parts:
            kept.add(found[part].only(excerpt.hypotheses[part]))
        chosen, heard = kept.joined(), torch.cat([spectra[part] for part in excerpt.parts])
        tried = [again(chosen, heard, known) for known in labelled]
        return min(tried, key=lambda decoding: decoding.cost)

    reached(0)
    if config.weight_harmonics == 0:
        only = decode(candidates(found), config, seed, scratch=scratch, pause=pause)
        reached(N_ROUNDS)
        return found, only
    first = decode(candidates(found), config, seed, judge=judge, scratch=scratch, pause=pause)
    reached(1)
    wider = widen(found, first) if widen else found
    reached(2)
    decoding = again(wider, spectra, first)
    reached(N_ROUNDS)
    return wider, decoding


@dataclass(frozen=True)
class Misfits:
    """How badly the instruments would explain the harmonics of every hypothesis, ``[n, s, a]``.

    Attributes:
        found: hypotheses of all frames.
        spectra: of all frames, ``[n, f]``.
        frame: the representation.
        timbres: of the instruments.
    """

    found: Framewise[Hypotheses]
    spectra: Framewise[Tensor]
    frame: GaborFrame
    timbres: Timbres

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.found)

    def __getitem__(self, frames: slice) -> NDArray[np.floating[Any]]:
        """Of some consecutive frames."""
        first, last, _ = frames.indices(len(self))
        blocks = stretches(slice(first, last), BLOCK_FRAMES)
        return np.concatenate([self._block(block) for block in blocks])

    def _block(self, block: slice) -> NDArray[np.floating[Any]]:
        found, spectra = self.found[block], self.spectra[block]
        n_frames, n_hypotheses, n_instruments = found.on.shape
        pitches = Tones(
            on=found.on.flatten(0, 1).to(found.f0_bins.dtype),
            f0_bins=found.f0_bins.flatten(0, 1),
            inharmonicity=found.inharmonicity.flatten(0, 1),
        )
        rows = spectra.repeat_interleave(n_hypotheses, 0)
        # Of the tones: the inverse of which tones the instruments play.
        players = torch.from_numpy(np.argsort(assignments(n_instruments), 1)).to(rows.device)
        comb = comb_of(pitches, players[0], rows, self.frame, self.timbres.table.shape[-1])
        misfits = [self.timbres.misfit(replace(comb, instruments=each)) for each in players]
        found_misfits = torch.stack(misfits, 1).view(n_frames, n_hypotheses, -1)
        return found_misfits.cpu().numpy()
