"""What bfloat16 does to training: ``python -m tests.benchmarks.precision``.

The same trainings of a real recording in float32 and in bfloat16: the mean objective of stretches
of steps beside its spread over the seeds, and the gradients of one batch beside those in float64.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.methods.method import Settings
from musisep_cli.methods.policy.estimator import network_surrogate
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.methods.policy.trainer import Trainer, explanation_objective
from musisep_cli.methods.policy.unet import UNet
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.audio_file import read
from musisep_cli.tones.dictionary import start_dictionary
from tests.benchmarks.quality import DATA
from tests.small import seeded

PRECISIONS = ("float32", "bfloat16")
STRETCHES = 6


def main(
    preset: str = "paper",
    sampling: str = "tree",
    case: str = "gm-recorder-violin",
    duration: Annotated[float, typer.Option(help="Only the first seconds.")] = 12.0,
    max_frequency: Annotated[float | None, typer.Option(help="Hz; lower is less work.")] = None,
    iterations: int = 300,
    batch_size: int = 6,
    seeds: int = 3,
) -> None:
    """Train every seed in both precisions; a row each, then what they say together."""
    torch.set_num_threads(1)
    ends = [round(iterations * (part + 1) / STRETCHES) for part in range(STRETCHES)]
    starts = [0, *ends[:-1]]
    columns = [f"{start + 1}-{end}" for start, end in zip(starts, ends, strict=True)]
    print(f"| `{preset}`, {sampling}, batch {batch_size} | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    curves: dict[str, list[NDArray[np.float64]]] = {name: [] for name in PRECISIONS}
    gradients = []
    for seed in range(seeds):
        for name in PRECISIONS:
            settings: Settings = {
                "run": {"instruments": 2, "precision": name},
                "frame": {"max_frequency_hz": max_frequency} if max_frequency else {},
                "policy": {"sampling": sampling},
                "training": {"batch_size": batch_size},
            }
            trainer = make_trainer(compose(preset, settings), case, duration, seed)
            if name == "float32":
                gradients.append(Gradients.of(trainer, seed))
            curve = train(trainer, iterations, seed)
            means = np.array([curve[a:b].mean() for a, b in zip(starts, ends, strict=True)])
            curves[name].append(means)
            print(row(f"{name}, seed {seed}", means), flush=True)
            if name == "float32":
                gradients.append(Gradients.of(trainer, seed))
    for line in summary(curves):
        print(line)
    print()
    for when, found in (("start", gradients[::2]), (f"{iterations} steps", gradients[1::2])):
        print(Gradients.sentence(found, when))


def make_trainer(config: Config, case: str, duration_s: float, seed: int) -> Trainer:
    """A trainer on a shared recording, as the pipeline makes it."""
    recording = read(DATA / case / "mix.flac", duration_s=duration_s)
    frame = GaborFrame(config.settings.frame, recording.sample_rate_hz)
    with seeded(seed):
        policy = new_policy(config.settings, config.run.instruments, frame, config.run.precision)
    return Trainer(
        config.settings.training,
        estimator=config.settings.estimator,
        policy=policy,
        dictionary=start_dictionary(config.settings.dictionary, config.run.instruments),
        dictionary_frozen=False,
        frame=frame,
        signal=Spectra(recording, frame).mean,
    )


def train(trainer: Trainer, iterations: int, seed: int) -> NDArray[np.float64]:
    """The objective of every step."""
    with seeded(seed):
        return np.array([trainer.step(trainer.next_batch()).objective for _ in range(iterations)])


def row(name: str, values: NDArray[np.float64]) -> str:
    return f"| {name} | " + " | ".join(f"{1e3 * value:.2f}" for value in values) + " |"


def summary(curves: dict[str, list[NDArray[np.float64]]]) -> Iterator[str]:
    """Means over the seeds, and their difference over its standard error.

    Both precisions of a seed share start weights and frames, but soon not their samples: their
    difference varies with the seed about as much as the curves of two seeds differ.
    """
    single, short = (np.stack(curves[name]) for name in PRECISIONS)
    yield row("float32, mean", single.mean(0))
    yield row("bfloat16, mean", short.mean(0))
    yield row("standard deviation of float32's seeds", single.std(0, ddof=1))
    difference = short - single
    yield row("bfloat16 - float32, mean", difference.mean(0))
    yield row("its standard error", difference.std(0, ddof=1) / math.sqrt(len(difference)))


@dataclass(frozen=True)
class Gradients:
    """Cosines between gradients of the policy's network for one batch, all weights together.

    Attributes:
        single: float32 and float64.
        short: bfloat16 and float64.
        sampled: float32 twice, of the same frames but other samples: what chance alone does.
    """

    single: float
    short: float
    sampled: float

    @classmethod
    def of(cls, trainer: Trainer, seed: int) -> "Gradients":
        passes = [_passes(trainer, 1000 * (seed + 1) + n) for n in range(2)]
        unet = trainer.policy.unet
        exact, single, short = (
            _gradient(_computing_in(unet, name), passes[0])
            for name in ("float64", "float32", "bfloat16")
        )
        other = _gradient(unet, passes[1])
        return cls(_cosine(single, exact), _cosine(short, exact), _cosine(single, other))

    @staticmethod
    def sentence(found: list["Gradients"], when: str) -> str:
        least = {
            name: min(getattr(one, name) for one in found)
            for name in ("single", "short", "sampled")
        }
        return (
            f"Gradients of the network for one batch, {when}, least cosine over the seeds: float32"
            f" and float64 {least['single']:.7f}, bfloat16 and float64 {least['short']:.5f}; "
            f"float32 with other samples of the same frames {least['sampled']:.2f}."
        )


def _passes(trainer: Trainer, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Inputs of the network in one step, and the gradients that come to its outputs.

    Always the same frames; the seed is that of the samples.
    """
    policy: Policy = trainer.policy
    seen: list[tuple[Tensor, Tensor]] = []
    hook = policy.unet.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0], output))
    )
    frames = trainer.centres[:: len(trainer.centres) // trainer.config.batch_size]
    frames = frames[: trainer.config.batch_size]
    spectra = trainer.frame.analyse(trainer.signal, frames)[:, : trainer.frame.n_network_bins]
    with seeded(seed):
        explanation = policy.explore(spectra, trainer.dictionary)
    hook.remove()
    losses, log_probs = (
        values.view(len(spectra), -1)
        for values in (explanation_objective(explanation, policy).total, explanation.log_prob)
    )
    surrogate = network_surrogate(losses, log_probs, trainer.estimator)
    found = torch.autograd.grad(surrogate, [output for _, output in seen])
    return [(rows.detach(), gradient) for (rows, _), gradient in zip(seen, found, strict=True)]


def _computing_in(unet: UNet, name: str) -> UNet:
    copied = deepcopy(unet)
    copied.in_bfloat16 = name == "bfloat16"
    return copied.double() if name == "float64" else copied


def _gradient(unet: UNet, passes: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Of all weights, as one float64 vector."""
    weights = list(unet.parameters())
    outputs = [unet(rows.to(weights[0].dtype)) for rows, _ in passes]
    given = [gradient.to(weights[0].dtype) for _, gradient in passes]
    return torch.cat(
        [found.flatten().double() for found in torch.autograd.grad(outputs, weights, given)]
    )


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(cosine_similarity(one, other, 0))


if __name__ == "__main__":
    typer.run(main)
