"""Separation by harmonic structures: who plays what, by peaks alone, and the stems of it.

The stages, in their order: the instruments' structures are learned from some frames; all frames are
listened to; perhaps it is decided over all frames who plays what; the tones become stems.

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Derived
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra, audible
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.threads import Threads, sharing_threads
from musisep_cli.methods.method import Result, State, Work
from musisep_cli.methods.played_notes import mean_objective
from musisep_cli.methods.proposed_sets import ProposedSets
from musisep_cli.methods.structures.average_structure import Instruments
from musisep_cli.methods.structures.detector import Detector, Heard
from musisep_cli.methods.structures.faithful import PlayedPitches, faithful_stems
from musisep_cli.methods.structures.second_pass import smoothed
from musisep_cli.methods.structures.sets import pitch_sets
from musisep_cli.methods.structures.settings import StructuresSettings
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses, SetFit
from musisep_cli.players.octaves import with_octaves
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS
from musisep_cli.tones.tones import Tones
from musisep_cli.tones.tracks import pitch_tracks

Found = TypeVar("Found")


def separate(
    recording: Recording, n_instruments: int, settings: StructuresSettings, work: Work, known: Known
) -> Result:
    """Find what every instrument plays by its harmonic structure, and turn it into stems.

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
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        spectra = Spectra(recording, frame)
        detector = Detector(frame, n_instruments, settings)
        state = work.take_up()
        if state:
            with work.fitting():
                learned = instruments_of(state)
        else:
            learned = _learned(detector, spectra, settings.structures.learning_hops, work)
        work.keep = lambda: state_of(learned)
        scene = _Scene(settings, work, spectra, detector, learned, threads, known)
        faithful = settings.structures.sound == "faithful"
        return scene.faithful() if faithful else scene.decoded()


def _learned(detector: Detector, spectra: Spectra, hops: int, work: Work) -> Instruments:
    """Return the instruments with their structures, and tell the user how they were found."""
    centres, frame = spectra.centres[::hops], spectra.frame
    n_frames, n_bins = len(centres), frame.n_network_bins

    def pause(n_done: int) -> None:
        """Tell the user how many frames are done, and end the work here if that is wanted."""
        work.tell("learning", n_done, n_frames)
        work.pause("learning", n_done, n_frames)

    some = Derived(centres, lambda part: frame.analyse(spectra.mean, part)[:, :n_bins])
    known = detector.learn(some, pause)
    note = _note(known)
    if note:
        work.tell("learning", n_frames, n_frames, note)
    return known


def _note(known: Instruments) -> str:
    """Return a sentence for the user about how the instruments were found."""
    if not known.n_tones.any():
        return "no tones were found to learn from: the stems will be silent or nearly so"
    if not known.by_nk:
        n = len(known.n_tones)
        return (
            f"the tones do not fall into {n} clusters by their neighbourhoods (NK): they were "
            "divided by likeness of timbre instead (k-means)"
        )
    return ""


def state_of(known: Instruments) -> State:
    """Return the instruments as a state to go on from."""
    return {
        "level_db": torch.from_numpy(known.level_db),
        "has": torch.from_numpy(known.has),
        "instability_db": torch.from_numpy(known.instability_db),
        "n_tones": torch.from_numpy(known.n_tones),
        "by_nk": known.by_nk,
    }


def instruments_of(state: State) -> Instruments:
    """Return the instruments that ``state_of`` put into a state."""
    arrays = {name: state[name].numpy() for name in ("level_db", "has", "instability_db")}
    return Instruments(**arrays, n_tones=state["n_tones"].numpy(), by_nk=bool(state["by_nk"]))


@dataclass(frozen=True)
class _Scene:
    """A recording whose instruments' structures were learned."""

    settings: StructuresSettings
    work: Work
    spectra: Spectra
    detector: Detector
    learned: Instruments
    threads: Threads
    known: Known

    @property
    def frame(self) -> GaborFrame:
        """Return the settings of window, hop and bins by which the recording became frames."""
        return self.spectra.frame

    def _listened(
        self, kind: type[Found], found_in: Callable[[Tensor], Iterator[Found]]
    ) -> SpooledFrames[Found]:
        """Return what ``found_in`` yields for blocks ``[n, c, f]`` of all frames, in a file."""
        channels, n_frames = self.spectra.of_channels, len(self.spectra)
        spool = self.work.files.enter_context(closing(self.work.frames("listening")))
        found = SpooledFrames(kind, spool, self.spectra.mean.device)
        while len(found) < n_frames:
            block = channels[len(found) : len(found) + BLOCK_FRAMES]
            for part in found_in(block):
                found.add(part)
            self.work.reached("listening", len(found), n_frames)
        return found

    def decoded(self) -> Result:
        """Choose over all frames which of the tones sound, and make stems of them."""
        settings = self.settings
        fit = SetFit(
            n_harmonics=settings.dictionary.n_harmonics,
            width_bins=self.frame.ideal_width_bins,
            objective=settings.objective,
            refined_pitch=False,  # peaks are where they are to a hundredth of a bin
        )
        proposed = ProposedSets(
            found=self._listened(Hypotheses, partial(self._hypotheses, fit)),
            fit=fit,
            spectra=self.spectra,
            n_instruments=self.detector.n_instruments,
            held_nats=settings.structures.held_nats,
            seed=self.work.seed,
            stage="listening",
        )
        return proposed.separated(settings, self.work, self.threads, self.known)

    def _hypotheses(self, fit: SetFit, channels: Tensor) -> Iterator[Hypotheses]:
        """Yield the fitted sets of tones of complex frames ``[n, c, f]``, a few at a time."""
        first = 0
        for heard in self.detector.hear(channels.mean(1)):
            part = channels[first : first + len(heard.weight)]
            first += len(heard.weight)
            log_prob, tones = self._sets(heard, part)
            yield fit(log_prob, tones, part).heard(audible(part.mean(1)))

    def _sets(self, heard: Heard, channels: Tensor) -> tuple[Tensor, Tones]:
        """Return the sets that both passes lead to, ``[n, s]`` and ``[n, s, i]``."""
        log_prob, pitches = (
            torch.from_numpy(values).to(channels.real)
            for values in pitch_sets(self.detector.play(heard, self.learned), heard.sets)
        )
        tones = Tones(pitches > 0, pitches, torch.zeros_like(pitches))
        log_prob, tones = with_octaves(
            log_prob.clamp_min(LEAST_LOG_PROB),
            tones,
            self.settings.structures.octave_nats,
            LOWEST_WIDTHS * self.frame.ideal_width_bins,
        )
        on = tones.on.to(pitches.dtype)
        return log_prob, Tones(on, tones.f0_bins.clamp_min(1.0), tones.inharmonicity)

    def faithful(self) -> Result:
        """Take the instruments' peaks out of the mixture, as in the paper."""
        work, n_frames, frame = self.work, len(self.spectra), self.frame
        found = self._listened(PlayedPitches, self._played)
        hop_s = frame.hop_samples / frame.sample_rate_hz
        f0_bins = smoothed(found[:].f0_bins.cpu().numpy(), hop_s)
        stems, transcript = faithful_stems(
            f0_bins,
            self.spectra,
            self.detector,
            self.learned,
            shelve=work.shelve,
            offer=work.hold("listening", n_frames, n_frames),
            reached=lambda n_done: work.tell("resynthesis", n_done, n_frames),
        )
        config = self.settings.dictionary
        dictionary = self.learned.dictionary(config.n_harmonics, config.start_floor)
        return Result(
            stems=stems,
            tracks=pitch_tracks(
                transcript, frame, self.spectra.samples.shape[-1], self.spectra.gain
            ),
            objective=mean_objective(transcript),
            dictionary=dictionary.astype(np.float32),
        )

    def _played(self, channels: Tensor) -> Iterator[PlayedPitches]:
        """Yield what every instrument plays in complex frames ``[n, c, f]``, a few at a time."""
        for heard in self.detector.hear(channels.mean(1)):
            f0_bins = self.detector.play(heard, self.learned).astype(np.float32)
            yield PlayedPitches(torch.from_numpy(f0_bins))
