"""Adaptation: the network learns the voices of the very recording, before it is heard.

Batches are excerpts of 4 s from all over the recording, brought to one level. One second in ten is
held out: frames there do not count in the loss of a step, and they alone count in the examination
after every some steps, whose best weights are kept in the end. Those of the start count among them.

Batch k is drawn from seed and number alone, so that a state holds no random numbers. Axes: ``b``
excerpts, ``j`` voices, ``n`` frames, ``t`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musisep_cli.methods.method import State, StepReport
from musisep_cli.methods.source_filter.loss import sound_loss, spectral_loss
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.source import HOP_SAMPLES, RATE_HZ, Voices
from musisep_cli.methods.source_filter.waveform import sound_of

EXCERPT_FRAMES = 250
"""Length of an excerpt in frames: 4 s."""
LEVEL = 0.1
"""RMS value to which every excerpt is brought before the network hears it."""
LEAST_RMS = 1e-6
"""Least RMS value of an excerpt by which it is divided."""
HELD_OUT = 10
"""Of so many seconds one is held out."""
BLOCK_HOPS = round(RATE_HZ / HOP_SAMPLES)
"""Frames that are held out in a row: a second."""
EXAM_EXCERPTS = 8
"""Most excerpts of an examination."""
LEAST_VOICED = 0.25
"""Least share of frames with a pitch for an excerpt to be learned from, if there are such."""
MOST_NORM = 5.0
"""Largest norm of a gradient; longer ones are cut to it."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is adapted to a recording."""

    model: Literal["spectral", "paper"] = "spectral"
    """What is compared with the mixture: spectral, the spectra that are expected of the voices.
    paper: those of their sound, in six windows instead of two."""
    weights: str = field(default="builtin", metadata={"no_file": ("", "builtin")})
    """Where adaptation starts: ``builtin``, a file that ``python -m
    musisep_cli.methods.source_filter.training`` wrote, or, if empty, random weights."""
    iterations: int = field(default=300, metadata={"least": 0})
    """Steps of adaptation."""
    batch_size: int = field(default=4, metadata={"least": 1, "most": 256})
    """Excerpts of 4 s per step."""
    learning_rate: float = 5e-4
    """Adam's step size."""
    weight_decay: float = field(default=1e-5, metadata={"least": 0})
    """Adam's weight decay."""
    exam_steps: int = field(default=25, metadata={"least": 1})
    """Steps between two examinations on what is held out."""
    least_voiced_s: float = field(default=8.0, metadata={"least": 0})
    """Seconds with a pitch from which on is adapted: of less there is too little to learn."""


@dataclass(frozen=True)
class Material:
    """What is learned from.

    Attributes:
        sound: the mean of the channels at 16 kHz, 256 samples a frame, ``[t]``.
        f0_hz: pitches, 0 in rests, ``[j, n]``.
    """

    sound: Tensor
    f0_hz: Tensor

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return int(self.f0_hz.shape[1])

    def excerpt(self, start: int, n_frames: int) -> tuple[Tensor, Tensor, float]:
        """Return an excerpt's sound at ``LEVEL`` and pitches, and its own RMS over ``LEVEL``."""
        sound = self.sound[start * HOP_SAMPLES : (start + n_frames) * HOP_SAMPLES]
        level = max(float(sound.square().mean().sqrt()), LEAST_RMS) / LEVEL
        return sound / level, self.f0_hz[:, start : start + n_frames], level


class Adaptation:
    """Adapts a network to a recording, in place.

    Args:
        config: how.
        network: what learns.
        material: what it learns from.
        seed: of everything that is drawn.
    """

    def __init__(
        self, config: TrainingConfig, network: Network, material: Material, seed: int
    ) -> None:
        self.config, self.network, self.material, self.seed = config, network, material, seed
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.length = min(EXCERPT_FRAMES, material.n_frames)
        self.step, self.n_skipped = 0, 0
        self.best_step, self.best_loss = 0, math.inf
        self.best: dict[str, Tensor] = {}
        self.held_out = self._held_out()
        self.starts = self._starts()

    def run(self) -> Iterator[StepReport]:
        """Adapt to the end, and leave the best weights in the network; yields every step."""
        if not self.best:
            self._examine()
        while self.step < self.config.iterations:
            self.step += 1
            loss = self._learn()
            if self.step % self.config.exam_steps == 0 or self.step == self.config.iterations:
                self._examine()
            yield StepReport(self.step, {"loss": loss}, self.n_skipped)
        self.network.load_state_dict(self.best)

    def state_dict(self) -> State:
        """Return everything that adaptation changes."""
        return {
            "step": self.step,
            "n_skipped": self.n_skipped,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self.step, self.n_skipped = int(state["step"]), int(state["n_skipped"])
        self.best_step, self.best_loss = int(state["best_step"]), float(state["best_loss"])
        self.best = dict(state["best"])
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _held_out(self) -> NDArray[np.bool_]:
        """Return which frames are held out, ``[n]``: a second in ten, from a drawn one on."""
        blocks = np.arange(self.material.n_frames) // BLOCK_HOPS
        first = np.random.default_rng([self.seed, 0]).integers(min(HELD_OUT, blocks[-1] + 1))
        held: NDArray[np.bool_] = blocks % HELD_OUT == first
        return held

    def _starts(self) -> NDArray[np.int64]:
        """Return the frames at which excerpts may start that hold enough that is voiced."""
        starts = np.arange(self.material.n_frames - self.length + 1)
        voiced = (self.material.f0_hz > 0).any(0).cpu().numpy()
        before = np.concatenate([[0], np.cumsum(voiced)])
        share = (before[starts + self.length] - before[starts]) / self.length
        good = starts[share >= LEAST_VOICED]
        return good if len(good) else starts

    def _learn(self) -> float:
        """Take a step, and return its loss; one that is not finite is left out."""
        draw = np.random.default_rng([self.seed, self.step])
        starts = draw.choice(self.starts, self.config.batch_size)
        self.optimiser.zero_grad()
        loss = self._loss(starts, ~self.held_out, draw)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), MOST_NORM)
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
        else:
            self.n_skipped += 1
        return float(loss.detach())

    @torch.no_grad()
    def _examine(self) -> None:
        """Keep the weights if what is held out is explained better than ever before."""
        places = np.flatnonzero(self.held_out)
        blocks = np.unique(places // BLOCK_HOPS) * BLOCK_HOPS + BLOCK_HOPS // 2
        picked = blocks[np.linspace(0, len(blocks) - 1, EXAM_EXCERPTS).round().astype(int)]
        starts = np.unique(
            (picked - self.length // 2).clip(0, self.material.n_frames - self.length)
        )
        draw = np.random.default_rng([self.seed, 1, 0])
        loss = float(self._loss(starts, self.held_out, draw))
        if loss < self.best_loss or not self.best:
            self.best_step, self.best_loss = self.step, loss
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def _loss(
        self, starts: NDArray[np.int64], counts: NDArray[np.bool_], draw: np.random.Generator
    ) -> Tensor:
        """Return the loss of excerpts over the frames that count, a scalar."""
        found = [self.material.excerpt(int(start), self.length) for start in starts]
        sound = torch.stack([sound for sound, _, _ in found])
        f0_hz = torch.stack([pitch for _, pitch, _ in found])
        weights = np.stack([counts[start : start + self.length] for start in starts])
        return loss_of(
            self.config,
            sound,
            self.network(sound, f0_hz),
            f0_hz,
            torch.from_numpy(weights).to(sound),
            draw,
        )


def loss_of(
    config: TrainingConfig,
    sound: Tensor,
    voices: Voices,
    f0_hz: Tensor,
    weights: Tensor | None = None,
    draw: Any = None,
) -> Tensor:
    """Return the loss of a configured model, a scalar.

    Args:
        config: says which model.
        sound: mixtures, ``[b, t]``.
        voices: parameters, ``[b, j, n]``.
        f0_hz: pitches in Hz, 0 in rests, ``[b, j, n]``.
        weights: of the frames, ``[b, n]``; all alike by default.
        draw: generator of the noise that the paper's voices have.
    """
    if config.model == "spectral":
        return spectral_loss(sound, voices, f0_hz, weights)
    shape = (*f0_hz.shape[:2], sound.shape[-1])
    noise = torch.from_numpy(draw.uniform(-1, 1, shape).astype(np.float32)).to(sound)
    return sound_loss(sound, sound_of(voices, f0_hz, noise).sum(1), weights)
