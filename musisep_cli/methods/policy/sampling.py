"""Sampling: the policy's distribution over the next tone (paper, Sections 3.2, 3.5).

It is over instrument eta, bin nu, inharmonicity b and whether the tone is on, u. With an exponent r
that flattens it, from the network's outputs at (eta, nu),

    pi^r = softmax(r logits)[eta, nu] Gamma(b; shape, rate) Bernoulli(u; r on_logit).           (1)

Axes: ``k`` rollouts, ``i`` instruments, ``f`` bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Gamma
from torch.nn import functional

from musisep_cli.methods.policy.parameters import (
    Output,
    ParameterConfig,
    gamma_parameters,
)

MIN_INHARMONICITY = 1e-30
"""Least b: samples of a Gamma distribution may underflow to 0, where it has no log-density."""


@dataclass(frozen=True)
class Action:
    """What is chosen of one tone, each ``[k]``.

    Attributes:
        instrument: number eta of the instrument, from 0.
        bin: bin nu.
        inharmonicity: b, float64.
        on: u, 0 or 1.
        timbre: logits of every instrument at this bin, ``[k, i]``, where a ``Timbre`` decides.
    """

    instrument: Tensor
    bin: Tensor
    inharmonicity: Tensor
    on: Tensor
    timbre: Tensor | None = None


class Timbre(Protocol):
    """Chooses the instrument of a tone in place of the network."""

    def __call__(self, distribution: ToneDistribution, bins: Tensor) -> Tensor:
        """Return logits of every instrument ``[k, i]`` for tones at given bins ``[k]``."""


class ToneDistribution:
    """The policy's distribution (1) over the next tone.

    One joint categorical over (instrument, bin), without the instruments that already play in the
    frame, then Gamma(b) and Bernoulli(u) with the parameters found there. The exponent r multiplies
    the logits of the categorical and of the Bernoulli; the Gamma distribution is never flattened.

    Departs from the paper, if a ``timbre`` is given: the network's outputs hold for every
    instrument (``i`` is 1 in them); the bin is drawn from them, and then the instrument by its
    timbre there.

    Args:
        outputs: scaled network outputs, ``[p, 9, i, f]``, one per network pass.
        playing: instruments that are excluded, bool ``[k, i]``.
        passes: which network pass each rollout continues, ``[k]``.
        config: maps to valid values.
        timbre: chooses the instrument; None if the network does.
    """

    def __init__(
        self,
        outputs: Tensor,
        playing: Tensor,
        passes: Tensor,
        config: ParameterConfig,
        timbre: Timbre | None = None,
    ) -> None:
        self.outputs = outputs
        self.playing = playing
        self.passes = passes
        self.config = config
        self.timbre = timbre

    @cached_property
    def logits(self) -> Tensor:
        """Logits of every instrument and bin, ``[k, i f]``; of every bin where a timbre decides.

        With gradient, also where they are first asked for by sampling, which has none.
        """
        with torch.enable_grad():
            logits = self.outputs[:, Output.LOGIT][self.passes]  # k, i, f
            if self.timbre is None:
                logits = logits.masked_fill(self.playing[..., None], -torch.inf)
            return logits.flatten(1)

    def continued(self, rollouts: Tensor) -> ToneDistribution:
        """Return the distribution of rollouts that each continue one of ``rollouts [k]``."""
        return ToneDistribution(
            self.outputs, self.playing[rollouts], self.passes[rollouts], self.config, self.timbre
        )

    def read(self, action: Action) -> Tensor:
        """Return the raw outputs at the tone's instrument and bin, ``[k, 9]``."""
        values: Tensor = self.outputs[self.passes, :, self._slot(action), action.bin]
        return values

    def artificial_spectrum(self, action: Action) -> Tensor:
        """Return the network's spectrum of the tone's instrument, complex ``[k, f]``."""
        parts = self.outputs[:, Output.SPECTRUM_REAL : Output.SPECTRUM_IMAG + 1]
        real, imag = parts[self.passes, :, self._slot(action)].unbind(1)
        return torch.complex(real, imag)

    def at(self, instrument: Tensor, bins: Tensor) -> Action:
        """Return the tone of given instruments and bins ``[k]``, with the most probable b and u.

        The mode of the Gamma distribution is (shape - 1)^+ / rate.
        """
        blank = torch.zeros_like(bins, dtype=self.outputs.dtype)
        action = Action(instrument, bins, blank, blank)
        raw = self.read(action)
        gamma = self._gamma(raw)
        inharmonicity = (gamma.concentration - 1).clamp_min(0) / gamma.rate
        return replace(
            action, inharmonicity=inharmonicity, on=(self._on_logit(raw) > 0).to(raw.dtype)
        )

    @torch.no_grad()
    def sample(self, exponent: Tensor) -> Action:
        """Draw a tone, with an exponent r per rollout, ``[k]``; it carries no gradient."""

        def draw(logits: Tensor) -> Tensor:
            """Return one index per row of logits."""
            return sample_index(functional.softmax(exponent[:, None] * logits, -1))

        action = self._choose(draw)
        raw = self.read(action)
        inharmonicity = self._gamma(raw).sample().clamp_min(MIN_INHARMONICITY)
        # Not torch.bernoulli, which raises on NaN: the trainer counts steps that are not finite.
        probability = torch.sigmoid(exponent * self._on_logit(raw))
        on = (torch.rand_like(probability) < probability).to(raw.dtype)
        return replace(action, inharmonicity=inharmonicity, on=on)

    @torch.no_grad()
    def mode(self) -> Action:
        """Return the most probable tone: first of instrument and bin, then of b and of u."""
        return self._choose(lambda logits: logits.argmax(-1))

    def log_prob(self, action: Action, raw: Tensor, exponent: Tensor) -> Tensor:
        """Return the logarithm of (1) of a tone with its ``raw`` outputs, ``[k]``.

        Without gradient where a timbre decides on the instrument: the network learns nothing of
        that choice.
        """
        if action.timbre is None:
            # The first factor of (1), over (eta, nu) jointly.
            index = action.instrument * self.outputs.shape[-1] + action.bin
            pitch = categorical_log_prob(exponent[:, None] * self.logits, index)
        else:
            # First over the bins, then over the instruments by their timbre there.
            pitch = categorical_log_prob(exponent[:, None] * self.logits, action.bin)
            pitch = pitch + categorical_log_prob(
                exponent[:, None] * action.timbre, action.instrument
            )
        # The third factor of (1), then the second.
        on = Bernoulli(logits=exponent * self._on_logit(raw), validate_args=False).log_prob(
            action.on
        )
        b = action.inharmonicity.clamp_min(MIN_INHARMONICITY)
        inharmonicity: Tensor = self._gamma(raw).log_prob(b)
        total: Tensor = pitch + on + inharmonicity.to(pitch.dtype)
        return total

    def _choose(self, choose: Callable[[Tensor], Tensor]) -> Action:
        """Return the tone whose instrument and bin ``choose`` takes from their logits."""
        index = choose(self.logits)
        if self.timbre is None:
            n_bins = self.outputs.shape[-1]
            return self.at(index // n_bins, index % n_bins)
        # The bin is chosen first, then the instrument by its timbre there.
        timbre = self.timbre(self, index).masked_fill(self.playing, -torch.inf)
        return replace(self.at(choose(timbre), index), timbre=timbre)

    def _slot(self, action: Action) -> Tensor:
        """Return the place of the instrument's outputs, ``[k]``: 0 where all share one."""
        return action.instrument if self.timbre is None else torch.zeros_like(action.instrument)

    def _gamma(self, raw: Tensor) -> Gamma:
        """Return the distribution of b."""
        shape, rate = gamma_parameters(
            raw[:, Output.GAMMA_SHAPE], raw[:, Output.GAMMA_RATE], self.config
        )
        return Gamma(shape, rate, validate_args=False)

    def _on_logit(self, raw: Tensor) -> Tensor:
        """Return the logit of u, ``[k]``."""
        return raw[:, Output.ON_LOGIT] + self.config.on_bias


def categorical_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """Return the log-probability of one entry ``[k]`` per row of logits ``[k, c]``, ``[k]``."""
    return logits.gather(-1, index[:, None]).squeeze(-1) - logits.logsumexp(-1)


def sample_index(probabilities: Tensor) -> Tensor:
    """Draw one index per row of ``[k, c]`` by the inverse of the cumulative distribution, ``[k]``.

    It takes one uniform number per row. The cumulative sum is in float64; ``right=True`` takes the
    first entry that exceeds the draw, which is never one of probability 0. Probabilities that are
    not finite give the last entry, so that the step fails as one that is not finite.

    >>> sample_index(torch.tensor([[0.0, 1.0, 0.0]])).tolist()
    [1]
    """
    cumulative = probabilities.to(torch.float64).cumsum(-1)
    draw = torch.rand(len(cumulative), 1, dtype=torch.float64, device=cumulative.device)
    index = torch.searchsorted(cumulative, draw * cumulative[:, -1:], right=True).squeeze(-1)
    return index.clamp_max(probabilities.shape[-1] - 1)


def one_hot(index: Tensor, n: int) -> Tensor:
    """Return indices ``[k]`` as rows with one True, bool ``[k, n]``.

    PyTorch's own function reads the indices first, for which a GPU would have to be waited for.

    >>> one_hot(torch.tensor([2, 0]), 3).int().tolist()
    [[0, 0, 1], [1, 0, 0]]
    """
    return index[:, None] == torch.arange(n, device=index.device)
