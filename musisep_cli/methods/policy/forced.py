"""Forced: a rollout along given tones, and how probable they were to the network.

Not in the paper. The network may name a frame's tones in any order. With the set M of the tones
that are left, the loss of the pitch in a pass is minus the log-probability of any of them,

    - log sum_{m in M} pi(f_m),                                                                 (1)
    pi(f_m) = sum of pi over the bins within the tolerance of f_m,                              (2)

and the tone that is subtracted before the next pass is drawn by pi(f_m). Where none is left, the
most probable bin is taken as a tone that is off, so that the network learns when to end.

Axes: ``b`` frames, ``m`` given tones, ``f`` bins, ``h`` harmonics.
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
"""Least b whose density is asked for: less cannot be told from none."""


@dataclass(frozen=True, kw_only=True)
class ForcedConfig:
    """Weights of the terms of the loss."""

    weight_pitch: float = 1.0
    """Weight of the cross-entropy of the bin, in nats."""
    weight_on: float = 0.3
    """Weight of the cross-entropy of whether a tone is left."""
    weight_inharmonicity: float = 0.02
    """Weight of the negative log-density of the inharmonicity."""
    tolerance_bins: int = 1
    """Bins: those within this distance of the true pitch count as right."""


@dataclass(frozen=True)
class ForcedTone:
    """One pass of a forced rollout.

    Attributes:
        action: the choice that was taken; its instrument is the number of the given tone.
        tone: the tone that it became.
        pitch: (1), or 0 if no tone was left, ``[b]``.
        found: whether the most probable bin was that of a tone left, bool ``[b]``.
        on: cross-entropy of whether a tone was left, ``[b]``.
        inharmonicity: negative log-density of b, 0 for a tone that is off, ``[b]``.
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
        explanation: of the frames; a given tone is in the slot of its number.
        passes: pass after pass.
        n_tones: number of given tones that are on, of all frames.
    """

    explanation: Explanation
    passes: tuple[ForcedTone, ...]
    n_tones: Tensor

    @property
    def pitch(self) -> Tensor:
        """Cross-entropy of the bins, in nats per tone."""
        return torch.stack([tone.pitch for tone in self.passes]).sum() / self.n_tones

    @property
    def found(self) -> Tensor:
        """Share of the tones whose bin was the most probable one when it was their turn."""
        return torch.stack([tone.found for tone in self.passes]).sum() / self.n_tones

    @property
    def on(self) -> Tensor:
        """Cross-entropy of whether a tone was left, mean over the passes."""
        return torch.stack([tone.on for tone in self.passes]).mean()

    @property
    def inharmonicity(self) -> Tensor:
        """Negative log-density of b per tone that is on, mean over the passes."""
        means = [
            tone.inharmonicity.sum() / tone.action.on.sum().clamp_min(1) for tone in self.passes
        ]
        return torch.stack(means).mean()

    def loss(self, config: ForcedConfig) -> Tensor:
        """Return the weighted sum of the terms, with gradient."""
        return (
            config.weight_pitch * self.pitch
            + config.weight_on * self.on
            + config.weight_inharmonicity * self.inharmonicity
        )


def forced_rollout(
    policy: Policy,
    spectra: Tensor,
    tones: Tones,
    dictionary: Tensor,
    tolerance_bins: int,
) -> Forced:
    """Explain frames along given tones.

    Args:
        policy: a network that proposes tones, whoever plays them.
        spectra: spectra of the frames, complex ``[b, f]``.
        tones: the given tones, ``[b, m]``.
        dictionary: one column per given tone, ``[h, m]``; it has no say.
        tolerance_bins: the bins within this distance of a pitch count as right.
    """
    explanation = Explanation.blank(spectra, dictionary)
    left, passes = tones.on > 0, []
    for _ in range(tones.on.shape[1]):
        distribution, explanation = policy.propose(explanation, dictionary)
        tone = _next_tone(
            policy, distribution, explanation, tones, left, dictionary, tolerance_bins
        )
        unused = explanation.log_prob
        explanation = explanation.add(tone.tone, unused, unused)
        left = left & ~one_hot(tone.action.instrument, left.shape[1])
        passes.append(tone)
    return Forced(explanation, tuple(passes), (tones.on > 0).sum().clamp_min(1))


def _next_tone(
    policy: Policy,
    distribution: ToneDistribution,
    explanation: Explanation,
    tones: Tones,
    left: Tensor,
    dictionary: Tensor,
    tolerance_bins: int,
) -> ForcedTone:
    """Return one of the tones that are ``left [b, m]``, and the losses of the pass."""
    true_bins = tones.f0_bins.round().long()
    log_probs = line_log_probs(distribution.logits, true_bins, tolerance_bins)  # log of (2)
    log_probs = log_probs.masked_fill(~left, -torch.inf)
    # One of the tones left is taken; where none is left, the most probable bin, as a tone off.
    line, any_left = draw_line(log_probs, explanation.playing), left.any(1)
    rows = torch.arange(len(left), device=left.device)
    best = distribution.logits.argmax(-1)
    action = Action(
        instrument=line,
        bin=torch.where(any_left, true_bins[rows, line], best),
        inharmonicity=tones.inharmonicity[rows, line].double(),
        on=any_left.to(explanation.tones.on.dtype),
    )
    raw = distribution.read(action)
    near = (best[:, None] - true_bins).abs() <= tolerance_bins
    on_logit = raw[:, Output.ON_LOGIT] + policy.parameter_config.on_bias
    cross_entropy = functional.binary_cross_entropy_with_logits
    return ForcedTone(
        action=action,
        tone=policy.tone(distribution, action, raw, explanation, dictionary),
        pitch=torch.where(any_left, -log_probs.logsumexp(1), 0.0),  # (1)
        found=(near & left).any(1),
        on=cross_entropy(on_logit, action.on, reduction="none"),
        inharmonicity=inharmonicity_loss(raw, action, policy.parameter_config) * action.on,
    )


def line_log_probs(logits: Tensor, true_bins: Tensor, tolerance: int) -> Tensor:
    """Return the log of (2): of every tone's bin or one of its neighbours, ``[b, m]``.

    Args:
        logits: unnormalised log-probabilities of the bins, ``[b, f]``.
        true_bins: bin of every tone, ``[b, m]``.
        tolerance: number of neighbours on either side that count as well.
    """
    log_probs = functional.log_softmax(logits, -1)
    offsets = torch.arange(-tolerance, tolerance + 1, device=logits.device)
    near = (true_bins[..., None] + offsets).clamp(0, logits.shape[-1] - 1)  # b, m, w
    # Bins beyond the border are those at the border.
    gathered = log_probs.gather(1, near.flatten(1)).view(near.shape)
    return torch.logsumexp(gathered, -1)


def draw_line(log_probs: Tensor, playing: Tensor) -> Tensor:
    """Draw the tone that is taken, by its probability among those that are left, ``[b]``.

    Args:
        log_probs: of every tone, minus infinity for those that are not left, ``[b, m]``.
        playing: whether a tone was taken in an earlier pass; where none is left, any that was not
            is taken, bool ``[b, m]``.
    """
    # Where no tone is left, all that were not taken are equally probable.
    none_left = torch.isinf(log_probs).all(1, keepdim=True)
    logits = torch.where(none_left, torch.zeros_like(log_probs), log_probs.detach())
    return sample_index(torch.softmax(logits.masked_fill(playing, -torch.inf), 1))


def inharmonicity_loss(raw: Tensor, action: Action, config: ParameterConfig) -> Tensor:
    """Return the negative log-density of log b, ``[b]``; that of b itself is infinite at 0."""
    shape, rate = gamma_parameters(raw[:, Output.GAMMA_SHAPE], raw[:, Output.GAMMA_RATE], config)
    value = action.inharmonicity.clamp_min(LEAST_INHARMONICITY)
    log_density: Tensor = Gamma(shape, rate, validate_args=False).log_prob(value) + value.log()
    return -log_density.to(raw.dtype)
