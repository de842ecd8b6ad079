"""Played notes: the end that all methods share which know what is played; the notes become stems.

Axes: ``n`` frames, ``i`` instruments, ``v`` voices of all instruments, ``h`` harmonics.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import Threads
from musisep_cli.methods.method import Result, Work
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.stems.of_tones import of_tones
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tracks import Transcript, pitch_tracks


class StemSections(Protocol):
    """The sections of settings by which notes are chosen and become stems."""

    @property
    def dictionary(self) -> DictionaryConfig:
        """How the dictionary starts."""

    @property
    def objective(self) -> ObjectiveConfig:
        """How well the recording is explained."""

    @property
    def decoding(self) -> DecodingConfig:
        """What speaks for a tone, and how far notes reach into the frames around."""

    @property
    def resynthesis(self) -> ResynthesisConfig:
        """How tones become stems."""


def stems_of_notes(
    notes: NotesAround,
    spectra: Spectra,
    dictionary: Tensor,
    settings: StemSections,
    work: Work,
    threads: Threads,
    stage: str,
    players: NDArray[Any] | None = None,
) -> Result:
    """Return the stems of what is played.

    Args:
        notes: in every frame, and those around.
        spectra: of the recording.
        dictionary: D, where the timbres at all pitches start from, ``[h, i]``.
        settings: how tones become stems.
        work: what the run lends.
        threads: fit the frames side by side.
        stage: before the stems, to whose end an interrupted run goes back.
        players: which instrument has each voice, ``[v]``; None where each has one.

    Raises:
        KeyboardInterrupt: the work was stopped.
        OutputError: the disk is full.
    """
    n_frames = len(spectra)
    stems, transcript = of_tones(
        notes,
        spectra,
        dictionary,
        settings.resynthesis,
        objective=settings.objective,
        threads=threads,
        shelve=work.shelve,
        offer=work.hold(stage, n_frames, n_frames),
        reached=lambda n_done: work.tell("resynthesis", n_done, n_frames),
    )
    n_samples = spectra.samples.shape[-1]
    return Result(
        stems=stems,
        tracks=pitch_tracks(transcript, spectra.frame, n_samples, spectra.gain, players),
        objective=mean_objective(transcript),
        dictionary=dictionary.cpu().numpy(),
    )


def mean_objective(transcript: Transcript) -> float:
    """Return how well a transcript explains the recording, the mean over all frames."""
    return float(transcript.objective.to(torch.float64).mean())
