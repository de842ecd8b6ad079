"""Proposed sets: what methods have in common that find the sets of tones which frames may hold.

It is decided over all frames which of the tones sound and who plays them, and they become stems.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import Threads
from musisep_cli.methods.method import Result, Work
from musisep_cli.methods.played_notes import StemSections, stems_of_notes
from musisep_cli.players.decided import decided
from musisep_cli.players.decoded import Decoded, dictionary_of_timbres, notes_of
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.players.hypotheses import Hypotheses, SetFit
from musisep_cli.players.path import order_like
from musisep_cli.players.rounds import N_ROUNDS
from musisep_cli.players.voices import Voices


@dataclass(frozen=True, kw_only=True)
class ProposedSets:
    """The sets of tones that the frames of a recording may hold.

    Attributes:
        found: the sets.
        fit: how they were fitted to their frames.
        spectra: of the recording.
        n_instruments: that each play one tone at a time.
        held_nats: how much less probable sets with held notes are; 0: there are none.
        seed: of the random starts of decoding.
        stage: in which the sets were found; a run that is stopped later goes on from its end.
        order: dictionary ``[h, i]`` in whose order the instruments come; None for any.
    """

    found: Framewise[Hypotheses]
    fit: SetFit
    spectra: Spectra
    n_instruments: int
    held_nats: float
    seed: int
    stage: str
    order: Tensor | None = None

    def separated(
        self, settings: StemSections, work: Work, threads: Threads, known: Known = ()
    ) -> Result:
        """Decide who plays what, and return the stems.

        Args:
            settings: how it is decided and how tones become stems.
            work: what the run lends.
            threads: fit the frames side by side.
            known: of every instrument that is known from elsewhere, the identities that it may
                have.

        Raises:
            KeyboardInterrupt: the work was stopped.
            OutputError: the disk is full.
        """
        spectra, n_frames = self.spectra, len(self.spectra)
        found, decoding = decided(
            self.found,
            spectra,
            self.fit,
            Voices.single(self.n_instruments),
            settings.decoding,
            settings.dictionary,
            self.seed,
            held_nats=self.held_nats,
            files=work.files,
            scratch=work.scratch,
            pause=partial(work.pause, self.stage, n_frames, n_frames),
            reached=lambda n_rounds: work.tell("decoding", n_rounds, N_ROUNDS),
            known=known,
            threads=threads,
        )
        timbres = torch.from_numpy(decoding.instruments.timbres)
        dictionary = dictionary_of_timbres(timbres, settings.dictionary)
        if self.order is not None:
            order = order_like(reference=_lifted(self.order), estimate=_lifted(dictionary))
            decoding, dictionary = decoding.ordered(order), dictionary[:, order]
        return stems_of_notes(
            notes_of(Decoded(found, decoding), settings.decoding.note_reach),
            spectra,
            dictionary.to(spectra.mean),
            settings,
            work,
            threads,
            self.stage,
        )


def _lifted(dictionary: Tensor) -> NDArray[np.float64]:
    """Return the columns of a dictionary ``[h, i]`` after the lift, as rows ``[i, h]``."""
    lifted: NDArray[np.float64] = dictionary.clamp_min(0).sqrt().T.double().cpu().numpy()
    return lifted
