"""Proposed sets: what methods have in common that find the sets of tones which frames may hold.

It is decided over all frames which of the tones sound and who plays them, and they become stems.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import Threads
from musisep_cli.methods.method import Result, Work
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.decided import decided
from musisep_cli.players.decoded import Decoded, dictionary_of_timbres, notes_of
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.players.hypotheses import Hypotheses, SetFit
from musisep_cli.players.path import order_like
from musisep_cli.players.rounds import N_ROUNDS
from musisep_cli.players.voices import Voices
from musisep_cli.stems.of_tones import of_tones
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tracks import Transcript, pitch_tracks


class Sections(Protocol):
    """The sections of settings by which proposed sets become stems."""

    @property
    def dictionary(self) -> DictionaryConfig:
        """Return what the timbres start from."""
        ...

    @property
    def objective(self) -> ObjectiveConfig:
        """Return the weights by which a transcript tells how well it explains."""
        ...

    @property
    def decoding(self) -> DecodingConfig:
        """Return the weights of what speaks for a tone."""
        ...

    @property
    def resynthesis(self) -> ResynthesisConfig:
        """Return how tones become stems."""
        ...


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
        self, settings: Sections, work: Work, threads: Threads, known: Known = ()
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
        )
        timbres = torch.from_numpy(decoding.instruments.timbres)
        dictionary = dictionary_of_timbres(timbres, settings.dictionary)
        if self.order is not None:
            order = order_like(reference=_lifted(self.order), estimate=_lifted(dictionary))
            decoding, dictionary = decoding.ordered(order), dictionary[:, order]
        dictionary = dictionary.to(spectra.mean)
        stems, transcript = of_tones(
            notes_of(Decoded(found, decoding), settings.decoding.note_reach),
            spectra,
            dictionary,
            settings.resynthesis,
            objective=settings.objective,
            threads=threads,
            shelve=work.shelve,
            offer=work.hold(self.stage, n_frames, n_frames),
            reached=lambda n_done: work.tell("resynthesis", n_done, n_frames),
        )
        return Result(
            stems=stems,
            tracks=pitch_tracks(transcript, spectra.frame, spectra.samples.shape[-1], spectra.gain),
            objective=mean_objective(transcript),
            dictionary=dictionary.cpu().numpy(),
        )


def mean_objective(transcript: Transcript) -> float:
    """Return how well a transcript explains the recording, the mean over all frames."""
    return float(transcript.objective.to(torch.float64).mean())


def _lifted(dictionary: Tensor) -> NDArray[np.float64]:
    """Return the columns of a dictionary ``[h, i]`` after the lift, as rows ``[i, h]``."""
    lifted: NDArray[np.float64] = dictionary.clamp_min(0).sqrt().T.double().cpu().numpy()
    return lifted
