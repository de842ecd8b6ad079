"""Separation by source-filter models: from a recording and its pitches to the stems.

The stages, in their order: the pitches are taken from files, or the tracks that the house finds
blind; the network is adapted to the recording; it says the parameters of all voices in all frames;
masks of their expected spectra share out the mixture.

Axes: ``n`` frames, ``j`` voices, ``i`` instruments, ``c`` channels, ``t`` samples, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.threads import sharing_threads, threads_of_operations
from musisep_cli.methods.given_pitch import is_given
from musisep_cli.methods.method import Result, State, Work
from musisep_cli.methods.source_filter import weights
from musisep_cli.methods.source_filter.adaptation import Adaptation, Material
from musisep_cli.methods.source_filter.hearing import Hearing, played, voices_between
from musisep_cli.methods.source_filter.masks import Masking
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.settings import SourceFilterSettings
from musisep_cli.methods.source_filter.source import (
    HOP_S,
    HOP_SAMPLES,
    RATE_HZ,
    Voices,
)
from musisep_cli.methods.source_filter.tracks import VoiceTracks
from musisep_cli.players.decoded import dictionary_of_timbres
from musisep_cli.players.given.by_score import MANY_MERGED, known_tones
from musisep_cli.players.given.explained import Explained
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.objective import ObjectiveConfig

PERCENT = 100
"""Parts in which the finding of pitches is told."""


def separate(
    recording: Recording, n_instruments: int, settings: SourceFilterSettings, work: Work
) -> Result:
    """Separate a recording.

    Raises:
        KeyboardInterrupt: the work was stopped.
        CheckpointError: the state does not fit.
        InputError: a file with the pitch cannot be used.
        OutputError: the disk is full.
    """
    with threads_of_operations(work.n_threads):
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        spectra = Spectra(recording, frame)
        state = work.take_up()
        tracks = _tracks(recording, n_instruments, spectra, settings, work, state)
        scene = _Scene(settings, work, spectra, tracks, n_instruments)
        scene.adapt(state.get("adaptation", {}))
        return scene.result()


def _tracks(
    recording: Recording,
    n_instruments: int,
    spectra: Spectra,
    settings: SourceFilterSettings,
    work: Work,
    state: State,
) -> VoiceTracks:
    """Return the pitches of all voices: those of a state, of the files, or found blind."""
    if state:
        with work.fitting():
            return VoiceTracks.from_state(state["tracks"])
    if is_given(settings):
        tracks = _given(recording, spectra, settings, work)
    else:
        tracks = VoiceTracks.of(work.blind_tracks("tracking", recording, n_instruments))
        merged = tracks.merged_share()
        if merged > MANY_MERGED:
            note = (
                f"in {merged:.0%} of the frames two instruments are in unison, an octave or a "
                "twelfth apart: there the pitch does not tell them apart"
            )
            work.tell("tracking", PERCENT, PERCENT, note=note)
    work.keep = lambda: {"tracks": tracks.state}
    work.reached("tracking", PERCENT, PERCENT)
    return tracks


def _given(
    recording: Recording, spectra: Spectra, settings: SourceFilterSettings, work: Work
) -> VoiceTracks:
    """Return the pitches that files tell of, where and at which pitch they sound."""
    with torch.no_grad(), sharing_threads(work.n_threads, work.device) as threads:
        explained = Explained.of(
            spectra,
            settings.dictionary.n_harmonics,
            ObjectiveConfig(),
            threads,
            pause=lambda: work.pause("tracking", 0, PERCENT),
        )
        known = known_tones(
            settings.pitch,
            explained,
            recording.start_s,
            settings.dictionary,
            lambda share: work.tell("tracking", round(PERCENT * share), PERCENT),
        )
    for note in known.notes:
        work.tell("tracking", PERCENT, PERCENT, note=note)
    frame, tones = spectra.frame, known.tones
    f0_hz = tones.f0_bins * frame.bin_hz * (tones.on > 0)
    return VoiceTracks(
        times_s=spectra.centres.cpu().numpy() / frame.sample_rate_hz,
        f0_hz=f0_hz.T.cpu().numpy().astype(np.float64),
        n_instruments=known.dictionary.shape[1],
    )


@dataclass(frozen=True)
class _Scene:
    """A recording whose pitches are known."""

    settings: SourceFilterSettings
    work: Work
    spectra: Spectra
    tracks: VoiceTracks
    n_instruments: int

    @cached_property
    def material(self) -> Material:
        """The recording at the model's rate, with the pitches on its grid."""
        mean = self.spectra.mean.cpu().numpy()
        sound = soxr.resample(mean, self.spectra.frame.sample_rate_hz, RATE_HZ)
        n_frames = max(-(-len(sound) // HOP_SAMPLES), 1)
        padded = np.zeros(n_frames * HOP_SAMPLES, np.float32)
        padded[: len(sound)] = sound
        f0_hz = self.tracks.at(np.arange(n_frames) * HOP_S)
        device = self.work.device
        return Material(torch.from_numpy(padded).to(device), torch.from_numpy(f0_hz).to(device))

    @cached_property
    def network(self) -> Network:
        """The network, with random weights or those of a file."""
        network = Network(self.settings.network, len(self.tracks.f0_hz))
        if self.settings.training.weights:
            weights.load(network, self.settings.training.weights)
        return network.to(self.work.device)

    def adapt(self, state: State) -> None:
        """Adapt the network to the recording, if there is enough of it."""
        work, training = self.work, self.settings.training
        tracks = self.tracks.state
        adaptation = Adaptation(training, self.network, self.material, work.seed)
        if state:
            with work.fitting():
                adaptation.load_state_dict(state)
        work.keep = lambda: {"tracks": tracks, "adaptation": adaptation.state_dict()}
        voiced_s = HOP_S * float((self.material.f0_hz > 0).any(0).sum())
        if training.iterations and voiced_s < training.least_voiced_s:
            note = (
                f"not adapted to the recording: there are {voiced_s:.1f} s with a pitch, and "
                f"{training.least_voiced_s:g} s are needed"
            )
            work.tell("training", 0, training.iterations, note=note)
            return
        if not training.iterations:
            return
        for report in adaptation.run():
            work.stepped("training", report, training.iterations)
        if adaptation.best_step < training.iterations:
            note = (
                f"of {training.iterations} training steps, step {adaptation.best_step} is kept: "
                "after it, what is held out was no longer explained better"
            )
            work.tell("training", training.iterations, training.iterations, note=note)

    def result(self) -> Result:
        """Return the stems and what goes with them; an interrupted run goes on from before."""
        work, spectra, config = self.work, self.spectra, self.settings.dictionary
        hearing = Hearing(
            self.network.eval(),
            self.material,
            self.settings.training,
            n_instruments=self.n_instruments,
            n_harmonics=config.n_harmonics,
            seed=work.seed,
        )
        found = self._heard(hearing)
        frame, n_frames = spectra.frame, len(spectra)
        times_s = spectra.centres / frame.sample_rate_hz
        voices_at = voices_between(found, times_s)
        f0_hz = self.tracks.at(times_s.cpu().numpy())
        masking = Masking(
            frame, spectra.samples, f0_hz, voices_at, self.tracks.players, self.settings.mask
        )
        offer = work.hold("listening", self.material.n_frames, self.material.n_frames)

        def stretches() -> Iterator[NDArray[np.float32]]:
            """Yield stretches of the stems, ``[i, t, c]``."""
            for part in masking.stems(lambda n: work.tell("resynthesis", n, n_frames)):
                offer()
                yield part.transpose(1, 2).cpu().numpy()

        n_channels, n_samples = spectra.samples.shape
        with torch.no_grad():
            stems = work.shelve(stretches(), (self.n_instruments, n_samples, n_channels))
            tracks = played(
                voices_at, f0_hz, times_s.cpu().numpy(), self.n_instruments, spectra.gain
            )
        return Result(
            stems=stems,
            tracks=tracks,
            objective=hearing.objective,
            dictionary=dictionary_of_timbres(hearing.timbres(), config).cpu().numpy(),
        )

    def _heard(self, hearing: Hearing) -> SpooledFrames[Voices]:
        """Return the parameters of all frames, in a file."""
        work, n_frames = self.work, self.material.n_frames
        spool = work.files.enter_context(closing(work.scratch()))
        found = SpooledFrames(Voices, spool, self.material.sound.device)
        for block in hearing.blocks():
            found.add(block)
            work.tell("listening", len(found), n_frames)
            work.pause("listening", 0, n_frames)
        return found
