"""Pipeline: one recording and one seed, from samples to stems.

The only place that seeds the random generators: torch's distributions take no generator, so the
global ones are seeded for the run and given back as they were.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.config import Config
from musisep_cli.model.dictionary import load, start_dictionary
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.policy.rollout import Explanation, Policy
from musisep_cli.recording import Recording
from musisep_cli.resynthesis import resynthesise
from musisep_cli.training.trainer import StepReport, Trainer, explanation_objective

CURVE_POINTS = 1000
"""The training curve is kept as the means of this many stretches."""
SILENT_PEAK = 1e-7
"""A frame in which no bin is louder than this has no tones: nothing sounds where nothing was."""


@dataclass(frozen=True)
class Progress:
    """Where one seed stands, after a training step or a block of frames.

    Attributes:
        seed: which.
        stage: training, then resynthesis.
        done: steps or frames done.
        total: of so many.
        report: the training step's, if it was one.
    """

    seed: int
    stage: Literal["training", "resynthesis"]
    done: int
    total: int
    report: StepReport | None = None


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class PitchTracks:
    """What every instrument plays in every frame.

    Attributes:
        times_s: frame centres, ``[n]``.
        f0_hz: ``[i, n]``.
        amplitude: a, ``[i, n]``.
        on: whether the network counts the tone as present, 0 or 1, ``[i, n]``.
        inharmonicity: b, ``[i, n]``.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    on: NDArray[np.float32]
    inharmonicity: NDArray[np.float32]


@dataclass(frozen=True)
class SeedResult:
    """One seed's separation.

    Attributes:
        seed: which.
        stems: float32 ``[i, t, c]``.
        dictionary: D, ``[h, i]``.
        objective: mean of Eq. 21 over all frames, tones chosen as the most probable ones: the
            blind criterion.
        pitch: what was played.
        curve: training curve, means over stretches of steps.
        n_skipped: training steps that were not finite and so not applied.
        wall_s: time taken.
        checkpoint: network, dictionary and optimiser, as a file of ``torch.save``.
    """

    seed: int
    stems: NDArray[np.float32]
    dictionary: NDArray[np.float32]
    objective: float
    pitch: PitchTracks
    curve: tuple[StepReport, ...]
    n_skipped: int
    wall_s: float
    checkpoint: bytes


def run_seed(
    recording: Recording, config: Config, seed: int, device: torch.device, on_progress: OnProgress
) -> SeedResult:
    """Train on the recording, then separate it.

    Args:
        recording: any rate, length and number of channels.
        config: all settings.
        seed: start weights, batches and sampling follow from it.
        device: where to compute.
        on_progress: called after every step and block.

    Returns:
        The same bytes for the same arguments on the same machine.
    """
    started = time.monotonic()
    with _reproducible(seed, config.run.threads, device), torch.inference_mode(False):
        gain = level_gain(recording, config)
        samples = torch.from_numpy(recording.samples.T.copy()).to(device) * gain  # c, t
        frame = GaborFrame(config.frame, recording.sample_rate_hz, device=device)
        trainer = _trainer(config, frame, samples.mean(0), device)
        curve = tuple(_train(trainer, seed, on_progress))
        player = _Player(
            trainer.policy, trainer.dictionary.detach(), frame, samples.shape[-1], seed, on_progress
        )
        stems = resynthesise(frame, samples, player.explain) / gain
        return SeedResult(
            seed=seed,
            stems=stems.transpose(1, 2).cpu().numpy(),
            dictionary=trainer.dictionary.detach().cpu().numpy(),
            objective=player.objective(),
            pitch=player.pitch(gain),
            curve=curve,
            n_skipped=trainer.n_skipped,
            wall_s=time.monotonic() - started,
            checkpoint=_serialised(trainer),
        )


def level_gain(recording: Recording, config: Config) -> float:
    """What the samples are multiplied by for the analysis; 1 where the level stays as it is."""
    if config.frame.rms_level == 0:
        return 1.0
    rms = float(np.sqrt(np.mean(recording.mono.astype(np.float64) ** 2)))
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
    )


def first_dictionary(config: Config) -> Tensor:
    """The dictionary that training starts from, ``[h, i]``."""
    if config.dictionary.init_file:
        return load(
            Path(config.dictionary.init_file),
            n_harmonics=config.dictionary.n_harmonics,
            n_instruments=config.run.instruments,
        )
    return start_dictionary(config.dictionary, config.run.instruments)


def _trainer(config: Config, frame: GaborFrame, signal: Tensor, device: torch.device) -> Trainer:
    return Trainer(
        config.training,
        estimator=config.estimator,
        policy=new_policy(config, frame).to(device),
        dictionary=first_dictionary(config),
        dictionary_frozen=config.dictionary.frozen,
        frame=frame,
        signal=signal,
    )


def _train(trainer: Trainer, seed: int, on_progress: OnProgress) -> Iterator[StepReport]:
    """Trains to the end; yields the training curve."""
    total = trainer.config.iterations
    stretch: list[StepReport] = []
    for report in trainer.run():
        on_progress(Progress(seed, "training", report.iteration, total, report))
        stretch.append(report)
        if len(stretch) >= total / CURVE_POINTS or report.iteration == total:
            yield _mean(stretch)
            stretch = []


def _mean(reports: list[StepReport]) -> StepReport:
    """Mean of the finite terms of some steps, at the last one's place."""
    terms: dict[str, Any] = {}
    for name in ("objective", "dictionary", "direct", "agreement"):
        values = np.array([getattr(report, name) for report in reports])
        finite = values[np.isfinite(values)]
        terms[name] = float(finite.mean()) if len(finite) else float("nan")
    return replace(reports[-1], **terms)


class _Player:
    """Explains all frames in order, and keeps what they play."""

    def __init__(
        self,
        policy: Policy,
        dictionary: Tensor,
        frame: GaborFrame,
        n_samples: int,
        seed: int,
        on_progress: OnProgress,
    ) -> None:
        self.policy, self.dictionary, self.frame = policy, dictionary, frame
        self.times_s = frame.centres(n_samples).cpu().numpy() / frame.sample_rate_hz
        self.seed, self.on_progress = seed, on_progress
        self.n_done = 0
        self.found: list[Tensor] = []
        self.objectives: list[Tensor] = []

    def explain(self, mean: Tensor, channels: Tensor) -> Tensor:
        """Spectra ``[i, c, n, f]`` of the instruments, for the mean ``[n, f]`` and every channel.

        Pitches and instruments are found on the mean. Every channel of several gets its own direct
        prediction with them, so a stem keeps its place between the channels.
        """
        explanation, actions = self.policy.predict(mean, self.dictionary)
        tones = [explanation.direct_tones]
        if len(channels) > 1:
            tones = [self.policy.replay(c, self.dictionary, actions).direct_tones for c in channels]
        stems = torch.stack(tones).permute(2, 0, 1, 3)  # i, c, n, f
        audible = channels.abs().amax(-1) > SILENT_PEAK  # c, n
        self._keep(explanation, audible.any(0))
        self.n_done += len(mean)
        self.on_progress(Progress(self.seed, "resynthesis", self.n_done, len(self.times_s)))
        return stems * audible[..., None]

    def _keep(self, explanation: Explanation, audible: Tensor) -> None:
        heard = audible[:, None].to(explanation.on.dtype)
        self.found.append(
            torch.stack(
                [
                    explanation.f0_bins * self.frame.bin_hz,
                    explanation.amplitude * heard,
                    explanation.on * heard,
                    explanation.inharmonicity,
                ]
            ).cpu()
        )
        self.objectives.append(explanation_objective(explanation, self.policy).total.cpu())

    def objective(self) -> float:
        """Mean objective over all frames."""
        return float(torch.cat(self.objectives).to(torch.float64).mean())

    def pitch(self, gain: float) -> PitchTracks:
        """What was played, amplitudes at the recording's own level."""
        f0_hz, amplitude, on, inharmonicity = torch.cat(self.found, 1).transpose(1, 2).numpy()
        return PitchTracks(self.times_s, f0_hz, amplitude / gain, on, inharmonicity)


def _serialised(trainer: Trainer) -> bytes:
    buffer = io.BytesIO()
    torch.save(trainer.state_dict(), buffer)
    return buffer.getvalue()


@contextmanager
def _reproducible(seed: int, threads: int, device: torch.device) -> Iterator[None]:
    """Seeded generators and a fixed number of threads; both as before afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
