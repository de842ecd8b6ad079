"""Pipeline: one recording and one seed, from samples to stems.

The only place that seeds the random generators: torch's distributions take no generator, so the
global ones are seeded for the run and given back as they were.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from musisep_cli import warmstart
from musisep_cli.blockwise import Shelf, Stems, blocks, energy, in_memory, mono
from musisep_cli.checkpoint import Checkpoints, State
from musisep_cli.config import Config, resolved
from musisep_cli.decoding import Decoding, order_like
from musisep_cli.device import of_seed
from musisep_cli.errors import CheckpointError
from musisep_cli.fitting import Fitter, window_scales
from musisep_cli.framewise import Derived, Framewise, Together
from musisep_cli.held import Held, with_held
from musisep_cli.labels import clear_labels
from musisep_cli.listening import Listener, Searcher
from musisep_cli.model.dictionary import load, start_dictionary
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.notes import Decoded, NotesAround
from musisep_cli.policy.hypotheses import Hypotheses
from musisep_cli.policy.rollout import Policy
from musisep_cli.policy.search import set_fit
from musisep_cli.portions import Portions
from musisep_cli.recording import Recording
from musisep_cli.refinement import Refiner
from musisep_cli.resynthesis import BLOCK_FRAMES, Explain, resynthesise
from musisep_cli.seed import OnProgress, Progress, SeedResult, Stage
from musisep_cli.spool import Spool, SpooledFrames
from musisep_cli.training.rehearsal import Labels, Rehearsal
from musisep_cli.training.trainer import StepReport, Trainer
from musisep_cli.transcript import Transcript, pitch_tracks
from musisep_cli.transcription import dictionary_of_timbres, transcribe

CURVE_POINTS = 1000
"""The training curve is kept as the means of this many stretches."""


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
        _reproducible(seed, config.run.threads, device),
        torch.inference_mode(False),
        ExitStack() as files,
    ):
        run = _Run(recording, config, seed, device, on_progress, checkpoints, shelf, files)
        if state is not None:
            run.take_up(state)
        return run.result()


class _Run:
    """One seed's way from samples to stems."""

    def __init__(
        self,
        recording: Recording,
        config: Config,
        seed: int,
        device: torch.device,
        on_progress: OnProgress,
        checkpoints: Checkpoints | None,
        shelf: Shelf,
        files: ExitStack,
    ) -> None:
        self.recording, self.shelf, self.files = recording, shelf, files
        self.config, self.seed, self.on_progress = config, seed, on_progress
        self.checkpoints = checkpoints
        self.taken_up: State = {}
        self.trainer: Trainer | Rehearsal | None = None
        self.decoded: tuple[Framewise[Hypotheses], Decoding] | None = None
        self.spool: Spool | None = None
        self.curve: list[StepReport] = []
        self.stretch: list[StepReport] = []
        self.portions = Portions()
        self.started_s = time.monotonic()
        self.gain = level_gain(recording, config)
        # No copies on a CPU: an hour of them would fill the memory.
        self.samples = torch.from_numpy(recording.samples).to(device).T  # c, t
        self.mean = self.samples.new_empty(recording.n_samples)  # t
        for block in blocks(recording.n_samples):
            self.mean[block] = (self.samples[:, block] * self.gain).mean(0)
        self.frame = GaborFrame(config.frame, recording.sample_rate_hz, device=device)
        self.centres = self.frame.centres(recording.n_samples)
        self.policy = new_policy(config, self.frame).to(device)

    def take_up(self, state: State) -> None:
        """Go on from a checkpoint: what was done before it is not done again.

        Nothing draws random numbers before its stage goes on, so the generator can be set here.
        """
        with _fitting(self.seed):
            self.curve, self.stretch = (
                [StepReport(*row) for row in state[name]] for name in ("curve", "stretch")
            )
            self.started_s -= float(state["wall_s"])
            torch.set_rng_state(state["generator"])
            if self.samples.is_cuda:
                torch.cuda.set_rng_state(state["cuda_generator"], self.samples.device)
            self.taken_up = state
            stage, done, total = state["stage"], int(state["done"]), int(state["total"])
            note = f"going on with {stage} from {done} of {total}"
            self.on_progress(Progress(self.seed, stage, done, total, note=note))

    def _state(self, progress: Progress) -> State:
        """What ``take_up`` goes on from, with where the frames of the stage are that are done."""
        of_frames = progress.stage in ("listening", "transcription")
        cuda = self.samples.is_cuda
        return {
            "stage": progress.stage,
            "done": progress.done,
            "total": progress.total,
            "frames": self.spool.mark() if self.spool and of_frames else {},
            "trainer": self.trainer.state_dict() if self.trainer else {},
            "curve": [list(astuple(report)) for report in self.curve],
            "stretch": [list(astuple(report)) for report in self.stretch],
            "generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(self.samples.device) if cuda else None,
            "wall_s": time.monotonic() - self.started_s,
        }

    def _reached(self, progress: Progress, state: Callable[[], State]) -> None:
        """A point from which the run can go on."""
        self._offer(state)
        self.on_progress(progress)

    def _offer(self, state: Callable[[], State]) -> None:
        if self.checkpoints is not None:
            self.checkpoints.offer(state)

    def result(self) -> SeedResult:
        """Train, transcribe, resynthesise."""
        trainer = self.trainer = self._trainer()
        self._train(trainer)
        dictionary = trainer.dictionary.detach()
        explained = self._decoded if self.config.decoding.enabled else self._predicted
        stems, transcript = explained(dictionary)
        return SeedResult(
            seed=self.seed,
            stems=stems,
            dictionary=dictionary.cpu().numpy(),
            objective=float(transcript.objective.to(torch.float64).mean()),
            pitch=pitch_tracks(transcript, self.frame, self.samples.shape[-1], self.gain),
            curve=tuple(self.curve),
            n_skipped=trainer.n_skipped,
            wall_s=time.monotonic() - self.started_s,
            checkpoint=_serialised(trainer),
        )

    def _predicted(self, dictionary: Tensor) -> tuple[Stems, Transcript]:
        """Stems by the most probable tones, frame by frame (Section 3.8).

        They are not in the checkpoints: a resumed run starts this stage anew.
        """
        start = self._state(Progress(self.seed, "resynthesis", 0, len(self.centres)))
        listener = Listener(self.policy, dictionary, len(self.centres), self._resynthesised)

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
        unchanged = self.trainer is None or self.trainer.iteration == 0
        stage: Stage = "listening" if unchanged else "transcription"
        found, decoding = (self.decoded if unchanged else None) or self._decode(stage)
        played = self._played(found, decoding, dictionary)
        tones = NotesAround(played, self.config.decoding.note_reach)
        scales = Derived(tones, partial(window_scales, config=self.config.resynthesis))
        fitter = Fitter(
            tones,
            Derived(self.centres, self._channels),
            Derived(Together(self.centres, scales), lambda both: self._channels(*both)),
            dictionary,
            self.frame,
            self.config.resynthesis,
        )
        refiner = Refiner(fitter, dictionary, self.config.objective)

        def explain(channels: Tensor) -> Tensor:
            stems = refiner.explain(channels)
            self._resynthesised(refiner.transcript.n_done)
            return stems

        state = partial(self._state, self._found_all(stage))
        stems = self._stems(explain, state, scales)
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

    def _found_all(self, stage: Stage) -> Progress:
        """Where it stands when all frames are searched, which is where decoding starts."""
        return Progress(self.seed, stage, len(self.centres), len(self.centres))

    def _resynthesised(self, n_frames: int) -> None:
        self.on_progress(Progress(self.seed, "resynthesis", n_frames, len(self.centres)))

    def _stems(
        self,
        explain: Explain,
        state: Callable[[], State],
        scales: Framewise[Tensor] | None = None,
    ) -> Stems:
        """All stems, on the shelf; an interrupted run goes on from the state before them."""

        def stretches() -> Iterator[NDArray[np.float32]]:
            for stretch in resynthesise(self.frame, self.samples, explain, self.gain, scales):
                self._offer(state)
                yield stretch.transpose(1, 2).cpu().numpy()

        n_samples, n_channels = self.recording.samples.shape
        return self.shelf(stretches(), (self.config.run.instruments, n_samples, n_channels))

    def _trainer(self) -> Trainer | Rehearsal:
        if self.config.warmstart.weights:
            warmstart.load(self.policy, self.config.warmstart)
        trained = self.taken_up.get("trainer")
        dictionary = first_dictionary(self.config) if trained else self._first_dictionary()
        if self.config.training.by == "decoded tones":
            trainer: Trainer | Rehearsal = self._rehearsal(dictionary)
        else:
            trainer = self._explorer(dictionary)
        if trained:
            with _fitting(self.seed):
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
            signal=self.mean,
        )

    def _rehearsal(self, dictionary: Tensor) -> Rehearsal:
        """Learns what was decoded; what is learned is part of a checkpoint, once there is one."""
        labels = Labels.none(self.config.run.instruments)
        if self.config.training.iterations > 0 and not self.taken_up.get("trainer"):
            labels = self._labels(dictionary)
        return Rehearsal(
            self.config.training,
            policy=self.policy,
            dictionary=dictionary,
            frame=self.frame,
            signal=self.mean,
            labels=labels,
        )

    def _labels(self, dictionary: Tensor) -> Labels:
        """The frames whose tones are clear, told to the user if there are none."""
        self.decoded = self.decoded or self._decode("listening")
        dictionary = dictionary.to(self.mean)
        labels = clear_labels(
            self._played(*self.decoded, dictionary),
            Derived(self.centres, self._spectra),
            self.centres,
            dictionary,
            self.frame,
            note_reach=self.config.decoding.note_reach,
            faint=self.config.decoding.faint,
        )
        if len(labels) == 0:
            note = "not trained: in no frame the tones are clear enough to learn from"
            self.on_progress(replace(self._found_all("listening"), note=note))
        return labels

    def _first_dictionary(self) -> Tensor:
        """The dictionary that training starts from, ``[h, i]``: if none is given, the decoded."""
        dictionary = first_dictionary(self.config)
        if self.config.dictionary.init_file or not self.config.decoding.enabled:
            return dictionary
        _, decoding = self.decoded = self._decode("listening")
        return dictionary_of_timbres(torch.from_numpy(decoding.timbres), self.config.dictionary)

    def _train(self, trainer: Trainer | Rehearsal) -> None:
        """Trains to the end; keeps the training curve."""
        total = trainer.config.iterations
        for report in trainer.run():
            self.stretch.append(report)
            if len(self.stretch) >= total / CURVE_POINTS or report.iteration == total:
                self.curve.append(_mean(self.stretch))
                self.stretch = []
            progress = Progress(self.seed, "training", report.iteration, total, report)
            self._reached(progress, partial(self._state, progress))

    def _search(self, stage: Stage) -> Framewise[Hypotheses]:
        """The most probable sets of tones of all frames."""
        config = self.config
        n_frames = len(self.centres)
        self.spool = self.files.enter_context(closing(self._opened(stage)))
        found = SpooledFrames(Hypotheses, self.spool, self.mean.device)
        n_harmonics = config.dictionary.n_harmonics
        searcher = Searcher(self.policy, n_harmonics, config.search, found.add)
        while len(found) < n_frames:
            block = self.centres[len(found) : len(found) + BLOCK_FRAMES]
            self.portions.map(searcher.listen, self._channels(block))
            progress = Progress(self.seed, stage, len(found), n_frames)
            self._reached(progress, partial(self._state, progress))
        return found

    def _spectra(self, centres: Tensor) -> Tensor:
        """Frames of the mean over channels as the network sees them, ``[n, f]``."""
        return self.frame.analyse(self.mean, centres)[:, : self.frame.n_network_bins]

    def _channels(self, centres: Tensor, scales: Tensor | None = None) -> Tensor:
        """The same of every channel, in windows of these lengths, ``[n, c, f]``."""
        channels = self.frame.analyse(self.samples, centres, self.gain, scales)
        return channels[..., : self.frame.n_network_bins].transpose(0, 1)

    def _opened(self, stage: Stage) -> Spool:
        """Where the frames of a stage go; with those in it that a checkpoint tells of."""
        if self.checkpoints is None:
            return Spool.temporary()
        if self.taken_up.get("stage") == stage:
            with _fitting(self.seed):
                return self.checkpoints.reopen(self.taken_up)
        return self.checkpoints.spool(stage)

    def _decode(self, stage: Stage) -> tuple[Framewise[Hypotheses], Decoding]:
        """All frames searched; which of the tones sound and who plays them."""
        scratch = self.checkpoints.scratch if self.checkpoints else Spool.temporary
        state = partial(self._state, self._found_all(stage))
        search = self.config.search

        def pause() -> None:
            if self.checkpoints:
                self.checkpoints.pause(state)

        def widen(found: Framewise[Hypotheses], decoding: Decoding) -> Framewise[Hypotheses]:
            fit = set_fit(self.policy, self.config.dictionary.n_harmonics, search)
            channels = Derived(self.centres, self._channels)
            spool = self.files.enter_context(closing(scratch()))
            kept = SpooledFrames(Hypotheses, spool, self.mean.device)
            return with_held(Held(found, decoding, channels, fit, search.held_nats), kept, pause)

        return transcribe(
            self._search(stage),
            Derived(self.centres, self._spectra),
            self.frame,
            self.config.decoding,
            self.config.dictionary,
            self.seed,
            widen=widen if search.held_nats > 0 else None,
            scratch=scratch,
            pause=pause,
        )


def level_gain(recording: Recording, config: Config) -> float:
    """What the samples are multiplied by for the analysis; 1 where the level stays as it is."""
    if config.frame.rms_level == 0:
        return 1.0
    rms = math.sqrt(energy(mono(recording.samples)[:, None]) / recording.n_samples)
    return config.frame.rms_level / rms


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


def _mean(reports: list[StepReport]) -> StepReport:
    """Mean of the finite terms of some steps, at the last one's place."""
    terms: dict[str, Any] = {}
    for name in ("objective", "dictionary", "direct", "agreement"):
        values = np.array([getattr(report, name) for report in reports])
        finite = values[np.isfinite(values)]
        terms[name] = float(finite.mean()) if len(finite) else float("nan")
    return replace(reports[-1], **terms)


@contextmanager
def _fitting(seed: int) -> Iterator[None]:
    """Whatever goes wrong while a state is taken up, it is the state's fault."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"seed {seed}: its checkpoint does not fit this version of musisep ({error}). "
            "Start it over, without --resume."
        ) from error


def _serialised(trainer: Trainer | Rehearsal) -> bytes:
    buffer = io.BytesIO()
    torch.save(trainer.state_dict(), buffer)
    return buffer.getvalue()


@contextmanager
def _reproducible(seed: int, threads: int, device: torch.device) -> Iterator[None]:
    """Seeded generators and a fixed number of threads; both as before afterwards.

    NumPy's matrices are small. Its threads wait for each other actively, and where others are at
    work beside them an inverse took ten times as long with two as with one.
    """
    before = torch.get_num_threads()
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        threadpool_limits(1, "blas"),
    ):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
