"""Pipeline: one recording and one seed, from samples to stems.

The only place that seeds the random generators: torch's distributions take no generator, so the
global ones are seeded for the run and given back as they were.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.device import of_seed
from musisep_cli.machine.portions import Portions
from musisep_cli.machine.threads import Threads, threads_of_operations
from musisep_cli.methods.decoding.clear_frames import clear_labels
from musisep_cli.methods.decoding.decoded import Decoded, dictionary_of_timbres
from musisep_cli.methods.decoding.held_notes import Held, with_held
from musisep_cli.methods.decoding.hypotheses import Hypotheses
from musisep_cli.methods.decoding.path import Decoding, order_like
from musisep_cli.methods.decoding.rehearsal import Labels, Rehearsal
from musisep_cli.methods.decoding.rounds import N_ROUNDS, Rounds
from musisep_cli.methods.decoding.search import Searcher, set_fit
from musisep_cli.methods.policy import warmstart
from musisep_cli.methods.policy.listening import Listener
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.run.checkpoint import Checkpoints, State
from musisep_cli.run.journal import Journal
from musisep_cli.run.result import OnProgress, Progress, SeedResult, Stage
from musisep_cli.run.settings.compose import resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.blockwise import Shelf, Stems, in_memory
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import Fitter
from musisep_cli.stems.waveforms import Explain, resynthesise
from musisep_cli.stems.wiener import WienerFilter
from musisep_cli.tones.dictionary import load, start_dictionary
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.tracks import Transcript, pitch_tracks


def run_seed(
    recording: Recording,
    config: Config,
    seed: int,
    device: torch.device,
    on_progress: OnProgress,
    checkpoints: Checkpoints | None = None,
    state: State | None = None,
    shelf: Shelf = in_memory,
) -> SeedResult:
    """Train on the recording, then separate it.

    Args:
        recording: any rate, length and number of channels.
        config: all settings.
        seed: start weights, batches and sampling follow from it.
        device: where to compute; of several GPUs, none of them named, the seed says which.
        on_progress: called after every step and block.
        checkpoints: where the state is offered after every step and block.
        state: one of theirs, to go on from.
        shelf: where the stems are put.

    Returns:
        The same bytes for the same arguments on the same machine, whatever the state.

    Raises:
        CheckpointError: the state does not fit.
        OutputError: the disk is full.
    """
    device = of_seed(device, seed)
    with (
        _reproducible(seed, device),
        threads_of_operations(1 if config.decoding.enabled else config.run.threads),
        torch.inference_mode(False),
        ExitStack() as files,
    ):
        journal = Journal(seed, device, on_progress, checkpoints, files)
        run = _Run(recording, config, device, journal, shelf)
        if state is not None:
            journal.take_up(state)
        return run.result()


class _Run:
    """One seed's way from samples to stems."""

    def __init__(
        self,
        recording: Recording,
        config: Config,
        device: torch.device,
        journal: Journal,
        shelf: Shelf,
    ) -> None:
        self.recording, self.shelf, self.journal = recording, shelf, journal
        self.config, self.seed = config, journal.seed
        self.decoded: tuple[Framewise[Hypotheses], Decoding] | None = None
        self.portions = Portions()
        n_threads = config.run.threads if device.type == "cpu" else 1
        self.threads = journal.files.enter_context(closing(Threads(n_threads)))
        self.frame = GaborFrame(config.frame, recording.sample_rate_hz, device=device)
        self.spectra = Spectra(recording, self.frame)
        self.policy = new_policy(config, self.frame).to(device)

    def result(self) -> SeedResult:
        """Train, transcribe, resynthesise."""
        trainer = self.journal.trainer = self._trainer()
        with threads_of_operations(self.config.run.threads):
            for report in trainer.run():
                self.journal.trained(report, trainer.config.iterations)
        if 0 < trainer.iteration < trainer.config.iterations or trainer.kept < trainer.iteration:
            self._tell_kept(trainer)
        dictionary = trainer.dictionary.detach()
        explained = self._decoded if self.config.decoding.enabled else self._predicted
        stems, transcript = explained(dictionary)
        return SeedResult(
            seed=self.seed,
            stems=stems,
            dictionary=dictionary.cpu().numpy(),
            objective=float(transcript.objective.to(torch.float64).mean()),
            pitch=pitch_tracks(transcript, self.frame, self.recording.n_samples, self.spectra.gain),
            curve=self.journal.whole_curve,
            n_skipped=trainer.n_skipped,
            wall_s=self.journal.wall_s,
            checkpoint=_serialised(trainer),
        )

    def _tell_kept(self, trainer: Trainer | Rehearsal) -> None:
        """That more training would not help, and which step was the best."""
        done, total = trainer.iteration, trainer.config.iterations
        note = (
            f"stopped after {done} of {total} training steps, step {trainer.kept} is kept: notes "
            "that are held out from training are no longer heard better"
        )
        self.journal.tell(Progress(self.seed, "training", done, total, note=note))

    def _predicted(self, dictionary: Tensor) -> tuple[Stems, Transcript]:
        """Stems by the most probable tones, frame by frame (Section 3.8).

        They are not in the checkpoints: a resumed run starts this stage anew.
        """
        start = self.journal.state(self._progress("resynthesis", 0))
        listener = Listener(self.policy, dictionary, len(self.spectra), self._resynthesised)

        def explain(channels: Tensor) -> Tensor:
            parts = self.portions.map(
                lambda part: listener.explain(part.transpose(0, 1)), channels.transpose(0, 1)
            )
            return torch.cat(parts, 2)

        stems = self._stems(explain, lambda: start)
        return stems, listener.transcript.joined()

    def _decoded(self, dictionary: Tensor) -> tuple[Stems, Transcript]:
        """Stems by the tones that are decoded over all frames."""
        # A network that has not learned anything since would only say the same again.
        trainer = self.journal.trainer
        unchanged = trainer is None or trainer.kept == 0
        stage: Stage = "listening" if unchanged else "transcription"
        found, decoding = (self.decoded if unchanged else None) or self._decode(stage)
        played = self._played(found, decoding, dictionary)
        fitter = Fitter(
            NotesAround(played, self.config.decoding.note_reach),
            self.spectra.of_channels,
            self.spectra.in_windows,
            dictionary,
            self.frame,
            self.config.resynthesis,
            self.threads,
        )
        refiner = WienerFilter(fitter, dictionary, self.config.objective)

        def explain(channels: Tensor) -> Tensor:
            stems = refiner.explain(channels)
            self._resynthesised(refiner.transcript.n_done)
            return stems

        state = partial(self.journal.state, self._heard_all(stage))
        stems = self._stems(explain, state, fitter.scales)
        return stems, refiner.transcript.joined()

    def _played(
        self, found: Framewise[Hypotheses], decoding: Decoding, dictionary: Tensor
    ) -> Decoded:
        """What was decoded, the instruments in the order of the dictionary ``[h, i]``."""
        learned = dictionary_of_timbres(torch.from_numpy(decoding.timbres), self.config.dictionary)
        reference, estimate = (
            d.clamp_min(0).sqrt().T.double().cpu().numpy() for d in (dictionary, learned)
        )
        return Decoded(found, decoding.ordered(order_like(reference=reference, estimate=estimate)))

    def _progress(self, stage: Stage, n_done: int) -> Progress:
        """Where it stands when so many frames are done."""
        return Progress(self.seed, stage, n_done, len(self.spectra))

    def _heard_all(self, stage: Stage) -> Progress:
        """Where decoding starts."""
        return self._progress(stage, len(self.spectra))

    def _resynthesised(self, n_frames: int) -> None:
        self.journal.tell(self._progress("resynthesis", n_frames))

    def _stems(
        self,
        explain: Explain,
        state: Callable[[], State],
        scales: Framewise[Tensor] | None = None,
    ) -> Stems:
        """All stems, on the shelf; an interrupted run goes on from the state before them."""

        def stretches() -> Iterator[NDArray[np.float32]]:
            samples, gain = self.spectra.samples, self.spectra.gain
            for stretch in resynthesise(self.frame, samples, explain, gain, scales):
                self.journal.offer(state)
                yield stretch.transpose(1, 2).cpu().numpy()

        n_samples, n_channels = self.recording.samples.shape
        return self.shelf(stretches(), (self.config.run.instruments, n_samples, n_channels))

    def _trainer(self) -> Trainer | Rehearsal:
        if self.config.warmstart.weights:
            warmstart.load(self.policy, self.config.warmstart)
        trained = self.journal.taken_up.get("trainer")
        dictionary = first_dictionary(self.config) if trained else self._first_dictionary()
        if self.config.training.by == "decoded tones":
            trainer: Trainer | Rehearsal = self._rehearsal(dictionary)
        else:
            trainer = self._explorer(dictionary)
        if trained:
            with self.journal.fitting():
                trainer.load_state_dict(trained)
        return trainer

    def _explorer(self, dictionary: Tensor) -> Trainer:
        """Learns by trying (Algorithm 1)."""
        return Trainer(
            self.config.training,
            estimator=self.config.estimator,
            policy=self.policy,
            dictionary=dictionary,
            dictionary_frozen=self.config.dictionary.frozen,
            frame=self.frame,
            signal=self.spectra.mean,
            recorded=resolved(self.config, self.spectra.mean.device).run.cuda_graphs,
        )

    def _rehearsal(self, dictionary: Tensor) -> Rehearsal:
        """Learns what was decoded; what is learned is part of a checkpoint, once there is one."""
        labels = Labels.none(self.config.run.instruments)
        if self.config.training.iterations > 0 and not self.journal.taken_up.get("trainer"):
            labels = self._labels(dictionary)
        return Rehearsal(
            self.config.training,
            policy=self.policy,
            dictionary=dictionary,
            frame=self.frame,
            signal=self.spectra.mean,
            labels=labels,
        )

    def _labels(self, dictionary: Tensor) -> Labels:
        """The frames whose tones are clear, told to the user if there are none."""
        self.decoded = self.decoded or self._decode("listening")
        dictionary = dictionary.to(self.spectra.mean)
        labels = clear_labels(
            self._played(*self.decoded, dictionary),
            self.spectra.of_mean,
            self.spectra.centres,
            dictionary,
            self.frame,
            note_reach=self.config.decoding.note_reach,
            faint=self.config.decoding.faint,
        )
        if len(labels) == 0:
            note = "not trained: in no frame the tones are clear enough to learn from"
            self.journal.tell(Progress(self.seed, "decoding", N_ROUNDS, N_ROUNDS, note=note))
        return labels

    def _first_dictionary(self) -> Tensor:
        """The dictionary that training starts from, ``[h, i]``: if none is given, the decoded."""
        dictionary = first_dictionary(self.config)
        if self.config.dictionary.init_file or not self.config.decoding.enabled:
            return dictionary
        _, decoding = self.decoded = self._decode("listening")
        return dictionary_of_timbres(torch.from_numpy(decoding.timbres), self.config.dictionary)

    def _search(self, stage: Stage) -> Framewise[Hypotheses]:
        """The most probable sets of tones of all frames."""
        config, channels = self.config, self.spectra.of_channels
        found = SpooledFrames(Hypotheses, self.journal.open_frames(stage), self.spectra.mean.device)
        n_harmonics = config.dictionary.n_harmonics
        searcher = Searcher(self.policy, n_harmonics, config.search, found.add, self.threads)
        while len(found) < len(channels):
            block = channels[len(found) : len(found) + BLOCK_FRAMES]
            self.portions.map(searcher.listen, block)
            self.journal.reached(self._progress(stage, len(found)))
        return found

    def _decode(self, stage: Stage) -> tuple[Framewise[Hypotheses], Decoding]:
        """All frames searched; which of the tones sound and who plays them."""
        search = self.config.search
        pause = partial(self.journal.pause, self._heard_all(stage))

        def reached(n_rounds: int) -> None:
            self.journal.tell(Progress(self.seed, "decoding", n_rounds, N_ROUNDS))

        def widen(found: Framewise[Hypotheses], decoding: Decoding) -> Framewise[Hypotheses]:
            fit = set_fit(self.policy, self.config.dictionary.n_harmonics, search)
            held = Held(found, decoding, self.spectra.of_channels, fit, search.held_nats)
            spool = self.journal.files.enter_context(closing(self.journal.scratch()))
            return with_held(
                held, SpooledFrames(Hypotheses, spool, self.spectra.mean.device), pause
            )

        rounds = Rounds(
            frame=self.frame,
            config=self.config.decoding,
            dictionary=self.config.dictionary,
            seed=self.seed,
            widen=widen if search.held_nats > 0 else None,
            scratch=self.journal.scratch,
            pause=pause,
            reached=reached,
        )
        return rounds.decode(self._search(stage), self.spectra.of_mean)


def new_policy(config: Config, frame: GaborFrame) -> Policy:
    """The untrained network for a recording."""
    return Policy(
        config.policy,
        network=config.network,
        parameters=config.parameters,
        objective=config.objective,
        n_instruments=config.run.instruments,
        ideal_width_bins=frame.ideal_width_bins,
        in_bfloat16=resolved(config, frame.window.device).run.precision == "bfloat16",
    )


def first_dictionary(config: Config) -> Tensor:
    """The dictionary of the configured file, or else the untrained one, ``[h, i]``."""
    if config.dictionary.init_file:
        return load(
            Path(config.dictionary.init_file),
            n_harmonics=config.dictionary.n_harmonics,
            n_instruments=config.run.instruments,
        )
    return start_dictionary(config.dictionary, config.run.instruments)


def _serialised(trainer: Trainer | Rehearsal) -> bytes:
    buffer = io.BytesIO()
    torch.save(trainer.state_dict(), buffer)
    return buffer.getvalue()


@contextmanager
def _reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seeded generators, as before afterwards, and one thread for NumPy's matrices.

    They are small. NumPy's threads wait for each other actively, and where others are at work
    beside them an inverse took ten times as long with two as with one.
    """
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        threadpool_limits(1, "blas"),
    ):
        torch.manual_seed(seed)
        yield
