"""Trainer: network and dictionary learn from one recording (paper, Algorithm 1).

Axes: ``b`` frames of the batch, ``k`` rollouts of one frame, ``h`` harmonics, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.machine.cuda_graph import Recorded
from musisep_cli.machine.portions import Portions
from musisep_cli.methods.method import StepReport
from musisep_cli.methods.policy.adamax import AdaMax
from musisep_cli.methods.policy.estimator import (
    EstimatorConfig,
    dictionary_surrogate,
    network_surrogate,
)
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.tones.dictionary import upper_bound_loss
from musisep_cli.tones.objective import Objective, objective

TERMS = ("objective", "dictionary", "direct", "agreement")
"""What a step reports: L (Eq. 21), and its three terms unweighted: of the sparse dictionary
prediction, of the direct prediction, and of their agreement."""


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """Budget and rates of a training, whatever is learned (Section 3.5)."""

    iterations: int = field(default=70_000, metadata={"least": 0})
    """Training steps."""
    batch_size: int = 6
    """Number of random frames per step."""
    network_lr: float = 1e-3
    """Step size of the network."""
    beta_1: float = field(default=0.9, metadata={"least": 0, "below": 1})
    """Decay of the optimiser's mean."""
    beta_2: float = field(default=0.999, metadata={"below": 1})
    """Decay of its norm."""
    eps: float = 1e-7
    """Added to its norm."""
    final_rate: float = 1.0
    """Step sizes fall linearly to this share of their start. Below 1 departs from the paper: the
    sampling noise of the last steps stays out of the result."""

    def rate(self, iteration: int) -> float:
        """Return the share of the start step size: linear from 1 at the first step.

        >>> StepConfig(iterations=3, final_rate=0.5).rate(2)
        0.75
        """
        progress = (iteration - 1) / max(self.iterations - 1, 1)
        return 1 + (self.final_rate - 1) * min(progress, 1.0)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(StepConfig):
    """Algorithm 1 and its rates (Section 3.5)."""

    iterations_from_three: int = field(default=210_000, metadata={"least": 0})
    """Training steps for three and more instruments, where nothing else is asked for."""
    dictionary_lr: float = 1e-4
    """AdaMax step size of the dictionary."""
    cuda_graphs: bool = False
    """On a GPU, whether a step is recorded once and then started as a whole. Off, because it has
    only been tried where a CPU plays the GPU's part, never been timed; a CPU has none, whatever is
    asked for."""


def step_report(
    iteration: int, terms: Sequence[Objective], is_finite: Tensor, n_skipped: int
) -> StepReport:
    """Report a step, all numbers read at once: a GPU is waited for only here.

    Args:
        iteration: steps done, this one included.
        terms: of all portions of the batch; their means over the rollouts are reported.
        is_finite: whether the step can be applied, bool.
        n_skipped: steps before this one that were not applied.
    """
    means = [
        torch.cat([getattr(part, name).detach() for part in terms]).mean()
        for name in ("total", *TERMS[1:])
    ]
    *values, applied = torch.stack([*means, is_finite.to(means[0])]).tolist()
    n_skipped += 0 if applied else 1
    return StepReport(iteration, dict(zip(TERMS, values, strict=True)), n_skipped)


class Trainer:
    """Trains network and dictionary (Algorithm 1): draws frames, explores, takes a step.

    Args:
        config: rates and number of steps.
        estimator: policy-gradient estimator.
        policy: the network to train, on its device.
        dictionary: start value of D, ``[h, i]``.
        dictionary_frozen: whether D is kept as it is.
        frame: the representation.
        signal: the recording's mean over channels, ``[t]``, on the policy's device.
        recorded: on a GPU, whether a step's operations are started all at once.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        estimator: EstimatorConfig,
        policy: Policy,
        dictionary: Tensor,
        dictionary_frozen: bool,
        frame: GaborFrame,
        signal: Tensor,
        recorded: bool = False,
    ) -> None:
        self.config, self.estimator = config, estimator
        self.policy, self.frame, self.signal = policy, frame, signal
        # In one memory layout, whatever it was made from: the last bits of sums depend on it.
        own = dictionary.detach().to(signal).clone(memory_format=torch.contiguous_format)
        self.dictionary = own.requires_grad_(not dictionary_frozen)
        self.weights = list(policy.parameters())
        betas = (config.beta_1, config.beta_2)
        self.network_steps = AdaMax(self.weights, lr=config.network_lr, betas=betas, eps=config.eps)
        self.dictionary_steps = AdaMax(
            [self.dictionary], lr=config.dictionary_lr, betas=betas, eps=config.eps, shared_dim=0
        )
        # On the CPU, where they are read without waiting for a GPU.
        self.centres = frame.training_centres(len(signal)).cpu()
        self.queue = self.centres.new_empty(0)
        self.portions = Portions()
        self.explore_whole = Recorded(self._explore) if recorded else self._explore
        self.iteration = 0
        self.n_skipped = 0

    def run(self) -> Iterator[StepReport]:
        """Train for the configured number of steps; yield a report after every step."""
        while self.iteration < self.config.iterations:
            yield self.step(self.next_batch())

    @property
    def kept(self) -> int:
        """Number of steps after which the weights were what they are: all, the last ones stay."""
        return self.iteration

    def next_batch(self) -> Tensor:
        """Draw random frames; return their spectra, complex ``[b, f]``.

        Every frame comes once per epoch; then they are shuffled again. Spectra are made from the
        signal when they are needed: at the training time step, all of them would take hundreds of
        times the recording's own memory.
        """
        size = min(self.config.batch_size, len(self.centres))
        if len(self.queue) < size:
            order = torch.randperm(len(self.centres))
            self.queue = torch.cat([self.queue, self.centres[order]])
        batch, self.queue = self.queue[:size], self.queue[size:]
        return self.frame.analyse(self.signal, batch)[:, : self.frame.n_network_bins]

    def step(self, spectra: Tensor) -> StepReport:
        """Take a step on frames ``[b, f]``; one that is not finite is counted, but not applied."""
        self.iteration += 1
        parts = self.portions.map(self._explore_portion, spectra)
        gradients = [
            reduce(torch.add, of_parts) for of_parts in zip(*(g for g, _ in parts), strict=True)
        ]
        # A sum is not finite if any of its terms is not; to ask each number takes 20 times longer.
        is_finite = torch.stack([gradient.sum() for gradient in gradients]).isfinite().all()
        terms = [terms for _, terms in parts]
        report = step_report(self.iteration, terms, is_finite, self.n_skipped)
        if report.n_skipped == self.n_skipped:
            rate = self.config.rate(self.iteration)
            self.network_steps.step(gradients[: len(self.weights)], rate)
            if self.dictionary.requires_grad:
                self.dictionary_steps.step(gradients[len(self.weights) :], rate)
        self.n_skipped = report.n_skipped
        return report

    def _explore_portion(self, spectra: Tensor) -> tuple[list[Tensor], Objective]:
        """Explore a batch or, where memory is short, a part of it.

        A part is never run as a recorded CUDA graph: the gradients of one part would lie where
        those of the next are written.
        """
        explore = self.explore_whole if self.portions.size is None else self._explore
        return explore(spectra)

    def _explore(self, spectra: Tensor) -> tuple[list[Tensor], Objective]:
        """Return gradients, sums over the frames ``[b, f]``, and the objective."""
        explanation = self.policy.explore(spectra, self.dictionary)
        terms = explanation_objective(explanation, self.policy)
        return self._gradients(explanation, terms.total, len(spectra)), terms

    def _gradients(
        self, explanation: Explanation, objectives: Tensor, n_frames: int
    ) -> list[Tensor]:
        """Return gradients of all weights and then, unless it is frozen, of the dictionary.

        Two passes, because the rollouts count with other weights for the dictionary, and the policy
        gradient on it is ignored.
        """
        losses, log_probs, plain_log_probs = (
            values.view(n_frames, -1)
            for values in (objectives, explanation.log_prob, explanation.plain_log_prob)
        )
        # First pass: the network. The graph is kept for the second, over the dictionary.
        surrogate = network_surrogate(losses, log_probs, self.estimator)
        gradients = list(torch.autograd.grad(surrogate, self.weights, retain_graph=True))
        if self.dictionary.requires_grad:
            expected = dictionary_surrogate(losses, log_probs, plain_log_probs)
            bounded = expected + n_frames * upper_bound_loss(self.dictionary)
            gradients += torch.autograd.grad(bounded, [self.dictionary])
        return gradients

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes, except the random generator's state."""
        return {
            "iteration": self.iteration,
            "n_skipped": self.n_skipped,
            "queue": self.queue.clone(),  # a view, with which all it was cut from would be saved
            "dictionary": self.dictionary.detach(),
            "policy": self.policy.state_dict(),
            "network_steps": self.network_steps.state_dict(),
            "dictionary_steps": self.dictionary_steps.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of ``state_dict`` up again."""
        self.iteration, self.n_skipped = int(state["iteration"]), int(state["n_skipped"])
        self.queue = state["queue"].to(self.centres)
        with torch.no_grad():
            self.dictionary.copy_(state["dictionary"])
        self.policy.load_state_dict(state["policy"])
        self.network_steps.load_state_dict(state["network_steps"])
        self.dictionary_steps.load_state_dict(state["dictionary_steps"])


def explanation_objective(explanation: Explanation, policy: Policy) -> Objective:
    """Return the objective (Eq. 21) of finished explanations, per rollout ``[k]``."""
    return objective(
        reference=explanation.reference,
        dictionary_tones=explanation.dictionary_tones,
        direct_tones=explanation.direct_tones,
        on=explanation.tones.on,
        config=policy.objective_config,
    )
