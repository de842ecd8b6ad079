"""Rehearsal: the network learns on the recording from the tones that were decoded of it.

Departs from the paper (Algorithm 1), which knows no tones and follows the objective of its own
guesses. Decoding over all frames uses more than the network sees in any one of them: timbres, lines
that go on, notes that change together. In frames where its result is clear (``clear_frames``), its
tones are taken for true, and the network learns to name them, whoever plays them
(``policy.forced``). After that, it hears the other frames better too. Some of the clear frames are
held out: once these are heard no better, training ends (``stopping``).

Axes: ``b`` frames of the batch, ``n`` frames with labels, ``i`` instruments and tones of a frame,
``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.leaves import from_leaves, leaves
from musisep_cli.machine.portions import Portions
from musisep_cli.methods.decoding.stopping import CHECK_STEPS, MOST_HELD, Stopping, held_out
from musisep_cli.methods.method import StepReport
from musisep_cli.methods.policy.forced import Forced, ForcedConfig, forced_rollout
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.trainer import StepConfig, explanation_objective, step_report
from musisep_cli.tones.objective import Objective
from musisep_cli.tones.tones import Tones

WARMUP_STEPS = 10
"""Number of steps over which the step size rises: at first Adam does not know how large gradients
are."""
MAX_GRADIENT_NORM = 1.0
"""Largest norm of a gradient; longer ones are cut to it."""


@dataclass(frozen=True, kw_only=True)
class RehearsalConfig(StepConfig):
    """How long and how fast decoded tones are learned; Adam steps."""

    iterations: int = field(default=0, metadata={"least": 0})
    """Most training steps. 100 gain 0.0 to 0.6 dB on seven recordings, 0.2 in the mean, at up to
    2.2 times the time; they end before, where notes that are held out are heard no better."""
    iterations_on_gpu: int = field(default=100, metadata={"least": 0})
    """The same on a GPU, which makes them cheap, where nothing else is asked for."""
    batch_size: int = 12
    network_lr: float = 1e-4
    beta_2: float = field(default=0.99, metadata={"below": 1})
    eps: float = 1e-8
    final_rate: float = 0.1


@dataclass(frozen=True)
class Labels(FrameRows):
    """Frames whose tones are taken for true.

    Attributes:
        centres: centres of the frames, in samples, ``[n]``.
        tones: what the instruments play, ``[n, i]``.
        passage: number of the passage, a run of frames in which the same notes sound, ``[n]``.
    """

    centres: Tensor
    tones: Tones
    passage: Tensor

    @classmethod
    def none(cls, n_instruments: int) -> Labels:
        """Return the labels of no frame."""
        empty, numbers = torch.zeros(0, n_instruments), torch.zeros(0, dtype=torch.long)
        return cls(numbers, Tones(empty, empty, empty), numbers)

    def drawn(self, n: int) -> Labels:
        """Return ``n`` random labels, or all, in random order."""
        return self[torch.randperm(len(self))[:n].to(self.centres.device)]


class Rehearsal:
    """Trains the network: draws labelled frames, forces their tones, and takes a step.

    Args:
        config: rates and number of steps.
        policy: the network to train, on its device.
        dictionary: D, which stays as it is, ``[h, i]``.
        frame: the representation.
        signal: the recording's mean over channels, ``[t]``, on the policy's device.
        labels: the frames to learn from and to hold out. Of long recordings, no more are kept than
            there are steps for. Without any, nothing is learned.
    """

    def __init__(
        self,
        config: RehearsalConfig,
        *,
        policy: Policy,
        dictionary: Tensor,
        frame: GaborFrame,
        signal: Tensor,
        labels: Labels,
    ) -> None:
        self.config = config
        self.policy, self.frame, self.signal = policy, frame, signal
        # In one memory layout, whatever it was made from: the last bits of sums depend on it.
        self.dictionary = dictionary.to(signal).clone(memory_format=torch.contiguous_format)
        self.weights = list(policy.parameters())
        # No more labels are kept than the configured steps can draw.
        held = held_out(labels.passage)
        self.labels = labels[~held].drawn(config.iterations * config.batch_size)
        self.held = labels[held].drawn(MOST_HELD)
        self.stopping = Stopping(self.weights)
        self.queue = torch.zeros(0, dtype=torch.long)
        self.portions = Portions()
        self.iteration = 0
        self.n_skipped = 0

    @cached_property
    def optimiser(self) -> torch.optim.Adam:
        """Adam over all weights, made when it is needed: the first one imports for seconds."""
        betas = self.config.beta_1, self.config.beta_2
        return torch.optim.Adam(self.weights, betas=betas, eps=self.config.eps)

    def run(self) -> Iterator[StepReport]:
        """Train while it helps, at most for the configured steps; yield a report after every step.

        At the end the weights are those that did best in the frames held out.
        """
        while len(self.labels):
            self._check_if_due()
            if self.iteration >= self.config.iterations or self.stopping.is_over:
                break
            yield self.step(self.next_batch())
        self.stopping.take_best()

    @property
    def kept(self) -> int:
        """Number of steps after which the weights were what they are at the end."""
        return self.stopping.kept if self.stopping.losses else self.iteration

    def _check_if_due(self) -> None:
        """Check the frames held out, every ``CHECK_STEPS`` steps and after the last."""
        is_due = self.iteration % CHECK_STEPS == 0 or self.iteration >= self.config.iterations
        if is_due and len(self.held) and self.iteration not in self.stopping.losses:
            self.stopping.check(self.iteration, self.loss_held_out())

    @torch.no_grad()
    def loss_held_out(self) -> float:
        """Return the loss of the frames held out, by the same random draws every time."""
        with torch.random.fork_rng(devices=[self.signal.device] if self.signal.is_cuda else []):
            torch.manual_seed(0)  # noqa: TID251 - the run's own generator is put aside
            rows = torch.arange(len(self.held))
            parts = self.portions.map(self._weighed_loss, rows)
        return sum(parts) / len(self.held)

    def _weighed_loss(self, rows: Tensor) -> float:
        """Return the loss of held out frames ``[b]``, times their number."""
        held = self.held[rows.to(self.held.centres.device)]
        return len(rows) * float(self._forced(held).loss(ForcedConfig()))

    def next_batch(self) -> Tensor:
        """Return rows of random labels, ``[b]``; every one comes once per epoch."""
        size = min(self.config.batch_size, len(self.labels))
        if len(self.queue) < size:
            self.queue = torch.cat([self.queue, torch.randperm(len(self.labels))])
        batch, self.queue = self.queue[:size], self.queue[size:]
        return batch

    def step(self, rows: Tensor) -> StepReport:
        """Take a step on labels ``[b]``; one that is not finite is counted, but not applied."""
        self.iteration += 1
        parts = self.portions.map(self._rehearse, rows)
        # Portions give sums over their labels: added up and divided, they are the batch's mean.
        for weight, *of_parts in zip(self.weights, *(found for found, _ in parts), strict=True):
            weight.grad = reduce(torch.add, of_parts) / len(rows)
        norm = torch.nn.utils.clip_grad_norm_(self.weights, MAX_GRADIENT_NORM)
        terms = [terms for _, terms in parts]
        report = step_report(self.iteration, terms, torch.isfinite(norm), self.n_skipped)
        if report.n_skipped == self.n_skipped:
            rate = min(1.0, self.iteration / WARMUP_STEPS) * self.config.rate(self.iteration)
            for group in self.optimiser.param_groups:
                group["lr"] = rate * self.config.network_lr
            self.optimiser.step()
        self.n_skipped = report.n_skipped
        return report

    def _rehearse(self, rows: Tensor) -> tuple[list[Tensor], Objective]:
        """Return gradients of all weights, times the number of labels, and the objective."""
        forced = self._forced(self.labels[rows.to(self.labels.centres.device)])
        gradients = torch.autograd.grad(
            len(rows) * forced.loss(ForcedConfig()),
            self.weights,
            allow_unused=True,
            materialize_grads=True,
        )
        return list(gradients), explanation_objective(forced.explanation, self.policy)

    def _forced(self, labels: Labels) -> Forced:
        """Return the rollout over labelled frames along their tones."""
        spectra = self.frame.analyse(self.signal, labels.centres)[:, : self.frame.n_network_bins]
        return forced_rollout(
            self.policy, spectra, labels.tones, self.dictionary, ForcedConfig().tolerance_bins
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that training changes and learns from, except the random generator's state."""
        return {
            "iteration": self.iteration,
            "n_skipped": self.n_skipped,
            "queue": self.queue.clone(),  # a view, with which all it was cut from would be saved
            "labels": leaves(self.labels),
            "held": leaves(self.held),
            "stopping": self.stopping.state_dict(),
            "dictionary": self.dictionary,
            "policy": self.policy.state_dict(),
            "optimiser": self.optimiser.state_dict() if self.iteration else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of ``state_dict`` up again."""
        self.iteration, self.n_skipped = int(state["iteration"]), int(state["n_skipped"])
        self.queue = state["queue"]
        device = self.signal.device
        self.labels, self.held = (
            from_leaves(Labels, {name: x.to(device) for name, x in state[part].items()})
            for part in ("labels", "held")
        )
        self.stopping.load_state_dict(state["stopping"])
        self.dictionary.copy_(state["dictionary"])
        self.policy.load_state_dict(state["policy"])
        if self.iteration:
            self.optimiser.load_state_dict(state["optimiser"])
