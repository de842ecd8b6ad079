"""Forced: a rollout along tones that are known, and how well the network knew them.

Not in the paper. The network names a frame's tones in any order. With the set M of those that are
left, the pitch term of a pass is minus the logarithm of the probability of any of them,

    - log sum_{m in M} pi(f_m),    pi(f_m) = sum of pi over the bins near to it,

and the one that goes on is drawn by pi(f_m). Where none is left, the most probable bin goes on as a
tone that is off, so that the network learns when to end.

Axes: ``b`` frames, ``m`` known tones, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Gamma
from torch.nn import functional

from musisep_cli.methods.policy.explanation import Explanation, Tone
from musisep_cli.methods.policy.parameters import Output, ParameterConfig, gamma_parameters
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.sampling import Action, ToneDistribution, one_hot, sample_index
from musisep_cli.tones.tones import Tones

LEAST_INHARMONICITY = 1e-6
"""Less cannot be told from none."""


@dataclass(frozen=True, kw_only=True)
class ForcedConfig:
    """Weights of what is asked of the network."""

    weight_pitch: float = 1.0
    """Cross-entropy of the bin, in nats."""
    weight_on: float = 0.3
    """Cross-entropy of whether there is a tone left."""
    weight_inharmonicity: float = 0.02
    """Negative log-density of the inharmonicity."""
    tolerance_bins: int = 1
    """The bins within this distance of the true pitch count as right."""


@dataclass(frozen=True)
class ForcedTone:
    """One pass of a forced rollout.

    Attributes:
        action: the choice that went on; its instrument is the number of the known tone.
        tone: that it became.
        pitch: minus the log-probability of any tone that was left, 0 if there was none, ``[b]``.
        found: whether the most probable bin was right, bool ``[b]``.
        on: cross-entropy of whether there was one left, ``[b]``.
        inharmonicity: negative log-density, 0 for a tone that is off, ``[b]``.
    """

    action: Action
    tone: Tone
    pitch: Tensor
    found: Tensor
    on: Tensor
    inharmonicity: Tensor


@dataclass(frozen=True)
class Forced:
    """A forced rollout.

    Attributes:
        explanation: of the frames; a known tone is in the slot of its number.
        tones: pass after pass.
        n_tones: known tones of all frames.
    """

    explanation: Explanation
    tones: tuple[ForcedTone, ...]
    n_tones: Tensor

    @property
    def pitch(self) -> Tensor:
        """Cross-entropy of the bins, in nats per tone."""
        return torch.stack([tone.pitch for tone in self.tones]).sum() / self.n_tones

    @property
    def found(self) -> Tensor:
        """Share of the tones whose bin was the most probable one when it was their turn."""
        return torch.stack([tone.found for tone in self.tones]).sum() / self.n_tones

    @property
    def on(self) -> Tensor:
        """Cross-entropy of whether there was a tone left, mean over the passes."""
        return torch.stack([tone.on for tone in self.tones]).mean()

    @property
    def inharmonicity(self) -> Tensor:
        """Negative log-density per tone that is on, mean over the passes."""
        means = [
            tone.inharmonicity.sum() / tone.action.on.sum().clamp_min(1) for tone in self.tones
        ]
        return torch.stack(means).mean()

    def loss(self, config: ForcedConfig) -> Tensor:
        """The terms' weighted sum, with gradient."""
        return (
            config.weight_pitch * self.pitch
            + config.weight_on * self.on
            + config.weight_inharmonicity * self.inharmonicity
        )


def forced_rollout(
    policy: Policy,
    spectra: Tensor,
    known: Tones,
    dictionary: Tensor,
    tolerance_bins: int,
) -> Forced:
    """Frames explained along their known tones.

    Args:
        policy: one that proposes tones, whoever plays them.
        spectra: complex ``[b, f]``.
        known: the tones, ``[b, m]``.
        dictionary: one column per known tone, ``[h, m]``.
        tolerance_bins: the bins within this distance of a pitch count as right.
    """
    explanation = Explanation.blank(spectra, dictionary)
    left, tones = known.on > 0, []
    for _ in range(known.on.shape[1]):
        distribution, explanation = policy.propose(explanation, dictionary)
        tone = _next_tone(
            policy, distribution, explanation, known, left, dictionary, tolerance_bins
        )
        unused = explanation.log_prob
        explanation = explanation.add(tone.tone, unused, unused)
        left = left & ~one_hot(tone.action.instrument, left.shape[1])
        tones.append(tone)
    return Forced(explanation, tuple(tones), (known.on > 0).sum().clamp_min(1))


def _next_tone(
    policy: Policy,
    distribution: ToneDistribution,
    explanation: Explanation,
    known: Tones,
    left: Tensor,
    dictionary: Tensor,
    tolerance_bins: int,
) -> ForcedTone:
    """One of the tones that are left, bool ``[b, m]``, and what the network thought of them."""
    true_bins = known.f0_bins.round().long()
    log_probs = line_log_probs(distribution.logits, true_bins, tolerance_bins)
    log_probs = log_probs.masked_fill(~left, -torch.inf)
    line, any_left = draw_line(log_probs, explanation.playing), left.any(1)
    rows = torch.arange(len(left), device=left.device)
    best = distribution.logits.argmax(-1)
    action = Action(
        instrument=line,
        bin=torch.where(any_left, true_bins[rows, line], best),
        inharmonicity=known.inharmonicity[rows, line].double(),
        on=any_left.to(explanation.tones.on.dtype),
    )
    raw = distribution.read(action)
    near = (best[:, None] - true_bins).abs() <= tolerance_bins
    on_logit = raw[:, Output.ON_LOGIT] + policy.parameter_config.on_bias
    cross_entropy = functional.binary_cross_entropy_with_logits
    return ForcedTone(
        action=action,
        tone=policy.tone(distribution, action, raw, explanation, dictionary),
        pitch=torch.where(any_left, -log_probs.logsumexp(1), 0.0),
        found=(near & left).any(1),
        on=cross_entropy(on_logit, action.on, reduction="none"),
        inharmonicity=inharmonicity_loss(raw, action, policy.parameter_config) * action.on,
    )


def line_log_probs(logits: Tensor, true_bins: Tensor, tolerance: int) -> Tensor:
    """Log-probability of every line's bin or its neighbours.

    Args:
        logits: ``[b, f]``.
        true_bins: ``[b, m]``.
        tolerance: how many neighbours on either side count as well.

    Returns:
        ``[b, m]``.
    """
    log_probs = functional.log_softmax(logits, -1)
    offsets = torch.arange(-tolerance, tolerance + 1, device=logits.device)
    near = (true_bins[..., None] + offsets).clamp(0, logits.shape[-1] - 1)  # b, m, w
    gathered = log_probs.gather(1, near.flatten(1)).view(near.shape)
    return torch.logsumexp(gathered, -1)


def draw_line(log_probs: Tensor, playing: Tensor) -> Tensor:
    """The line that goes on, ``[b]``: drawn by its probability among those that are left.

    Args:
        log_probs: of every line, minus infinity for those that are not left, ``[b, m]``.
        playing: lines that have gone already; where none is left, any other goes on, ``[b, m]``.
    """
    none_left = torch.isinf(log_probs).all(1, keepdim=True)
    logits = torch.where(none_left, torch.zeros_like(log_probs), log_probs.detach())
    return sample_index(torch.softmax(logits.masked_fill(playing, -torch.inf), 1))


def inharmonicity_loss(raw: Tensor, action: Action, config: ParameterConfig) -> Tensor:
    """Negative log-density of log b, ``[b]``; the density of b itself is infinite at 0."""
    shape, rate = gamma_parameters(raw[:, Output.GAMMA_SHAPE], raw[:, Output.GAMMA_RATE], config)
    value = action.inharmonicity.clamp_min(LEAST_INHARMONICITY)
    log_density: Tensor = Gamma(shape, rate, validate_args=False).log_prob(value) + value.log()
    return -log_density.to(raw.dtype)
