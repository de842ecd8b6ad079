"""Separation by the Beurling LASSO: tones by the certificate, players over all frames, stems.

The stages, in their order: some frames are listened to with one untrained column for everybody, and
what is decoded of them gives the dictionary (first round); all frames are listened to with it
(second round); it is decoded which tones sound and who plays them; the tones become stems.

Departs from the paper, where the dictionary is given: a recording comes without one.

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Derived, Framewise, excerpt, stretches
from musisep_cli.frames.framewise import Frames as Kept
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.threads import Threads, sharing_threads
from musisep_cli.methods.lasso.detector import FRAMES_AT_ONCE, Detector
from musisep_cli.methods.lasso.settings import LassoSettings
from musisep_cli.methods.method import Result, Work
from musisep_cli.methods.proposed_sets import ProposedSets
from musisep_cli.players.decoded import dictionary_of_timbres
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.rounds import Rounds
from musisep_cli.players.voices import Voices
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.dictionary import load, start_dictionary

LEARNING_STRETCHES, STRETCH_FRAMES = 8, 1024
"""Number of stretches and frames in each from which the dictionary is learned: 87 s in all of a
recording that is longer, or else all of it."""
SEED = 0
"""Seed of the random starts of decoding: always the same, so that the stems do not depend on the
run's seed."""


def separate(
    recording: Recording, n_instruments: int, settings: LassoSettings, work: Work, known: Known
) -> Result:
    """Find what every instrument plays by the certificate, and turn it into stems.

    Args:
        recording: what is separated.
        n_instruments: number of instruments in it.
        settings: all sections.
        work: what the run lends.
        known: of every instrument that is known from elsewhere, the identities that it may have.

    Raises:
        KeyboardInterrupt: the work was stopped.
        CheckpointError: the state does not fit.
        DictionaryError: the dictionary to start from does not fit.
        OutputError: the disk is full.
    """
    with sharing_threads(work.n_threads, work.device) as threads:
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        scene = _Scene(settings, n_instruments, work, Spectra(recording, frame), threads, known)
        state = work.take_up()
        if state:
            with work.fitting():
                dictionary = state["dictionary"].view(-1, n_instruments)
        elif settings.dictionary.init_file:
            dictionary = given_dictionary(settings, n_instruments)
        else:
            dictionary = scene.learned()
        work.keep = lambda: {"dictionary": dictionary}
        return scene.separated(dictionary)


def given_dictionary(settings: LassoSettings, n_instruments: int) -> Tensor:
    """Return the dictionary of the file that the settings name, ``[h, i]``.

    Raises:
        DictionaryError: it cannot be read or does not fit.
    """
    config = settings.dictionary
    return load(Path(config.init_file), n_harmonics=config.n_harmonics, n_instruments=n_instruments)


@dataclass(frozen=True)
class _Scene:
    """A recording with all that is used to find out what sounds in it."""

    settings: LassoSettings
    n_instruments: int
    work: Work
    spectra: Spectra
    threads: Threads
    known: Known

    @property
    def frame(self) -> GaborFrame:
        """Return the settings of window, hop and bins by which the recording became frames."""
        return self.spectra.frame

    def detector(self, dictionary: Tensor) -> Detector:
        """Return a detector that finds sets of tones with a dictionary ``[h, i]``."""
        dictionary = dictionary.to(self.spectra.mean)
        return Detector(self.frame, self.n_instruments, dictionary, self.settings)

    def learned(self) -> Tensor:
        """Return the dictionary of the first round, ``[h, i]``."""
        settings, frame = self.settings, self.frame
        parts = excerpt(len(self.spectra), LEARNING_STRETCHES, STRETCH_FRAMES)
        centres = torch.cat(
            [self.spectra.centres[part][:: settings.lasso.learning_hops] for part in parts]
        )
        n_bins = frame.n_network_bins
        some = Derived(centres, lambda part: frame.analyse(self.spectra.mean, part)[:, :n_bins])
        detector = self.detector(start_dictionary(settings.dictionary, 1))
        found = Kept(Hypotheses, len(centres))
        for block in stretches(len(centres), FRAMES_AT_ONCE):
            for hypotheses in detector.hear(some[block][:, None], threads=self.threads):
                found.add(hypotheses)
            self.work.tell("learning", block.stop, len(centres))
            self.work.pause("learning", block.stop, len(centres))
        rounds = Rounds(
            frame=frame,
            voices=Voices.single(self.n_instruments),
            # The frames next to each other here are several hops apart.
            config=replace(settings.decoding, note_reach=1),
            dictionary=settings.dictionary,
            seed=SEED,
            scratch=self.work.scratch,
            pause=partial(self.work.pause, "learning", len(centres), len(centres)),
        )
        _, decoding = rounds.decode(found.joined(), some)
        return dictionary_of_timbres(
            torch.from_numpy(decoding.instruments.timbres), settings.dictionary
        )

    def listened(self, detector: Detector) -> Framewise[Hypotheses]:
        """Return the sets of tones of all frames, in a file."""
        channels, n_frames = self.spectra.of_channels, len(self.spectra)
        spool = self.work.files.enter_context(closing(self.work.frames("listening")))
        found = SpooledFrames(Hypotheses, spool, self.spectra.mean.device)
        while len(found) < n_frames:
            block = channels[len(found) : len(found) + FRAMES_AT_ONCE]
            for hypotheses in detector.hear(block, self.settings.lasso.hops, self.threads):
                found.add(hypotheses)
            self.work.reached("listening", len(found), n_frames)
        return found

    def separated(self, first: Tensor) -> Result:
        """Return the stems of the second round, with the dictionary of the first, ``[h, i]``."""
        detector = self.detector(first)
        proposed = ProposedSets(
            found=self.listened(detector),
            fit=detector.fit,
            spectra=self.spectra,
            n_instruments=self.n_instruments,
            held_nats=self.settings.lasso.held_nats,
            seed=SEED,
            stage="listening",
            # Of a given dictionary it is known by name who plays what.
            order=first if self.settings.dictionary.init_file else None,
        )
        return proposed.separated(self.settings, self.work, self.threads, self.known)
