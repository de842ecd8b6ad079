"""Separation by decoding: tones are found frame by frame, and chosen over all frames at once.

The stages, in their order: the network hears every frame; what sounds and who plays it is decoded;
perhaps the network learns what was decoded and hears all frames again; the tones become stems.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.portions import Portions
from musisep_cli.machine.threads import Threads, sharing_threads, threads_of_operations
from musisep_cli.methods.decoding.clear_frames import clear_labels
from musisep_cli.methods.decoding.rehearsal import Labels, Rehearsal
from musisep_cli.methods.decoding.search import Searcher, set_fit
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.method import Result, Work
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.separate import first_dictionary, result_of, started_policy
from musisep_cli.players.decided import decided
from musisep_cli.players.decoded import Decoded, dictionary_of_timbres, notes_of
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.path import order_like
from musisep_cli.players.rounds import N_ROUNDS
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.of_tones import of_tones


def separate(
    recording: Recording, n_instruments: int, settings: DecodingSettings, work: Work, known: Known
) -> Result:
    """Find what every instrument plays over all frames, and turn it into stems.

    Args:
        recording: what is separated.
        n_instruments: number of instruments in it.
        settings: all sections.
        work: what the run lends.
        known: of every instrument that is known from elsewhere, the identities that it may have.

    Raises:
        KeyboardInterrupt: the work was stopped.
        CheckpointError: the state does not fit.
        OutputError: the disk is full.
    """
    with sharing_threads(work.n_threads, work.device) as threads:
        scene = _Scene.of(recording, n_instruments, settings, work, threads, known)
        state = work.take_up()
        heard, labels = None, Labels.none(scene.voices.n_voices)
        dictionary = first_dictionary(settings.dictionary, scene.voices.n_instruments)
        if not state:
            heard = scene.decoded("listening")
            if not settings.dictionary.init_file:
                dictionary = heard.dictionary(settings)
            if settings.training.iterations > 0:
                labels = scene.labels(heard, dictionary)
        rehearsal = Rehearsal(
            settings.training,
            policy=scene.policy,
            dictionary=dictionary,
            frame=scene.frame,
            signal=scene.spectra.mean,
            labels=labels,
        )
        if state:
            with work.fitting():
                rehearsal.load_state_dict(state)
        work.keep = rehearsal.state_dict
        _train(rehearsal, work)
        # A network that has not learned anything since would only say the same again.
        stage = "transcription" if rehearsal.kept else "listening"
        if rehearsal.kept or heard is None:
            heard = scene.decoded(stage)
        return scene.stems(heard, rehearsal, stage)


def _train(rehearsal: Rehearsal, work: Work) -> None:
    """Train while it helps, and tell the user if it ended before the last step."""
    n_steps = rehearsal.config.iterations
    with threads_of_operations(work.n_threads):
        for report in rehearsal.run():
            work.stepped("training", report, n_steps)
    done, kept = rehearsal.iteration, rehearsal.kept
    if 0 < done < n_steps or kept < done:
        note = (
            f"stopped after {done} of {n_steps} training steps, step {kept} is kept: notes that "
            "are held out from training are no longer heard better"
        )
        work.tell("training", done, n_steps, note=note)


@dataclass(frozen=True)
class _Heard:
    """The hypotheses of all frames, and what was chosen of them."""

    found: Framewise[Hypotheses]
    decoding: Decoding

    def dictionary(self, settings: DecodingSettings) -> Tensor:
        """Return the dictionary that follows from the decoded timbres, ``[h, i]``."""
        return dictionary_of_timbres(
            torch.from_numpy(self.decoding.instruments.timbres), settings.dictionary
        )

    def played(self, dictionary: Tensor, settings: DecodingSettings) -> Decoded:
        """Return what was decoded, the instruments in the order of a dictionary ``[h, i]``."""
        reference, estimate = (
            d.clamp_min(0).sqrt().T.double().cpu().numpy()
            for d in (dictionary, self.dictionary(settings))
        )
        order = order_like(reference=reference, estimate=estimate)
        return Decoded(self.found, self.decoding.ordered(order))


@dataclass(frozen=True)
class _Scene:
    """A recording with all that is used to find out what sounds in it."""

    settings: DecodingSettings
    voices: Voices
    work: Work
    spectra: Spectra
    policy: Policy
    threads: Threads
    known: Known

    @classmethod
    def of(
        cls,
        recording: Recording,
        n_instruments: int,
        settings: DecodingSettings,
        work: Work,
        threads: Threads,
        known: Known,
    ) -> _Scene:
        """Return the scene of a recording."""
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        spectra = Spectra(recording, frame)
        voices = Voices.wanted(n_instruments, settings.voices)
        policy = started_policy(settings, voices.n_voices, frame, work.device, work.precision)
        return cls(settings, voices, work, spectra, policy, threads, known)

    @property
    def frame(self) -> GaborFrame:
        """Return the settings of window, hop and bins by which the recording became frames."""
        return self.spectra.frame

    def decoded(self, stage: str) -> _Heard:
        """Find sets of tones for all frames in a stage, then choose over time which ones sound."""
        n_frames, search, work = len(self.spectra), self.settings.search, self.work
        found, decoding = decided(
            self._hear(stage),
            self.spectra,
            set_fit(self.policy, self.settings.dictionary.n_harmonics, search),
            self.voices,
            self.settings.decoding,
            self.settings.dictionary,
            work.seed,
            held_nats=search.held_nats,
            files=work.files,
            scratch=work.scratch,
            pause=partial(work.pause, stage, n_frames, n_frames),
            reached=lambda n_rounds: work.tell("decoding", n_rounds, N_ROUNDS),
            known=self.known,
            threads=self.threads,
        )
        return _Heard(found, decoding)

    def _hear(self, stage: str) -> Framewise[Hypotheses]:
        """Return the most probable sets of tones of all frames."""
        channels, portions = self.spectra.of_channels, Portions()
        spool = self.work.files.enter_context(closing(self.work.frames(stage)))
        found = SpooledFrames(Hypotheses, spool, self.spectra.mean.device)
        n_harmonics, search = self.settings.dictionary.n_harmonics, self.settings.search
        if self.settings.voices.has_chords:
            # Of chords the moved tones are three in four sets and changed nothing: 0.717 instead of
            # 0.718 of the strength with the right player, oboe over a piano's chords.
            search = replace(search, octave_nats=0.0, hidden_nats=0.0)
        searcher = Searcher(self.policy, n_harmonics, search, found.add, self.threads)
        while len(found) < len(channels):
            block = channels[len(found) : len(found) + BLOCK_FRAMES]
            portions.map(searcher.listen, block)
            self.work.reached(stage, len(found), len(channels))
        return found

    def labels(self, heard: _Heard, dictionary: Tensor) -> Labels:
        """Return the frames whose tones are clear; the user is told if there are none."""
        dictionary = dictionary.to(self.spectra.mean)
        labels = clear_labels(
            heard.played(dictionary, self.settings),
            self.spectra.of_mean,
            self.spectra.centres,
            dictionary,
            self.frame,
            note_reach=self.settings.decoding.note_reach,
            faint=self.settings.decoding.faint,
        )
        if len(labels) == 0:
            note = "not trained: in no frame the tones are clear enough to learn from"
            self.work.tell("decoding", N_ROUNDS, N_ROUNDS, note=note)
        return labels

    def stems(self, heard: _Heard, rehearsal: Rehearsal, stage: str) -> Result:
        """Turn the decoded tones into stems; an interrupted run goes on from before them."""
        n_frames, dictionary = len(self.spectra), rehearsal.dictionary.detach()
        played, melody = heard.played(dictionary, self.settings), self.settings.voices.melody
        n_stems = 1 if melody else self.voices.n_instruments
        stems, transcript = of_tones(
            notes_of(played, self.settings.decoding.note_reach),
            self.spectra,
            dictionary,
            self.settings.resynthesis,
            objective=self.settings.objective,
            threads=self.threads,
            shelve=self.work.shelve,
            offer=self.work.hold(stage, n_frames, n_frames),
            reached=lambda n_done: self.work.tell("resynthesis", n_done, n_frames),
            n_stems=n_stems,
        )
        state, kept = rehearsal.state_dict(), dictionary[:, :n_stems]
        players = played.decoding.voices.players
        return result_of(stems, transcript, self.spectra, kept, state, players)
