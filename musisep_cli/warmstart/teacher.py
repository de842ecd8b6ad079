"""Teacher: the objective on simulated frames, whose tones are known.

Axes: ``b`` frames, ``m`` lines, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Gamma
from torch.nn import functional

from musisep_cli.policy.distance import lift, radial_distance
from musisep_cli.policy.parameters import Output, ParameterConfig, gamma_parameters
from musisep_cli.policy.rollout import Explanation, Policy, Tone
from musisep_cli.policy.sampling import Action, sample_index
from musisep_cli.warmstart.simulator import SimulatedFrames

N_HARMONICS = 25
"""Harmonics of a tone in the lessons: the tone model's default."""
LEAST_INHARMONICITY = 1e-6
"""Less cannot be told from none."""
LEAST_LEVEL = 1e-9
"""Added to a frame's mean squared lifted level: a silent frame has no relative distance."""
TERMS = ("pitch", "found", "tone", "on", "inharmonicity")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Weights of the terms."""

    weight_pitch: float = 1.0
    """Cross-entropy of the bin, in nats."""
    weight_tone: float = 1.0
    """Every direct prediction against its line, relative to the frame."""
    weight_mixture: float = 0.5
    """Their sum against the frame, relative to it."""
    weight_on: float = 0.3
    """Cross-entropy of whether there is a tone left."""
    weight_inharmonicity: float = 0.02
    """Negative log-density of the inharmonicity."""
    tolerance_bins: int = 1
    """The bins within this distance of the true pitch count as right."""


@dataclass(frozen=True)
class Lesson:
    """Terms of the objective, means over frames; and the share of tones found.

    Attributes:
        total: the weighted sum, with gradient.
        pitch: cross-entropy in nats per tone.
        tone: relative distance of the direct predictions.
        mixture: relative distance of their sum.
        on: cross-entropy.
        inharmonicity: negative log-density.
        found: share of the tones whose true bin, within the tolerance, is the most probable one
            among all bins when it is its turn.
    """

    total: Tensor
    pitch: Tensor
    tone: Tensor
    mixture: Tensor
    on: Tensor
    inharmonicity: Tensor
    found: Tensor


def teach(policy: Policy, frames: SimulatedFrames, config: TeacherConfig) -> Lesson:
    """One rollout over simulated frames with the true tones forced, and its objective.

    The order of the tones is free: the pitch term is minus the logarithm of the probability of any
    line that is left, and the one that goes on is drawn by its probability. Where no line is left,
    the most probable bin goes on as a tone that is off.
    """
    lesson = _Lesson(policy, frames, config)
    for _ in range(frames.lines.shape[1]):
        lesson.next_tone()
    return lesson.summary()


class _Lesson:
    """A rollout along the truth, and the terms it has gathered."""

    def __init__(self, policy: Policy, frames: SimulatedFrames, config: TeacherConfig) -> None:
        self.policy, self.frames, self.config = policy, frames, config
        n_frames, n_lines, _ = frames.lines.shape
        self.rows = torch.arange(n_frames, device=frames.f0_bins.device)
        self.dictionary = frames.mixture.real.new_ones(N_HARMONICS, n_lines)
        self.explanation = Explanation.blank(frames.mixture, self.dictionary)
        self.true_bins = frames.f0_bins.round().long()
        self.left = frames.audible.clone()
        self.lifted = lift(frames.mixture, policy.objective_config)
        self.scale = torch.view_as_real(self.lifted).square().sum(-1).mean(-1) + LEAST_LEVEL
        self.terms: dict[str, list[Tensor]] = {name: [] for name in TERMS}

    def next_tone(self) -> None:
        """Ask for the next tone, note how the answer was, and go on with the truth."""
        distribution, self.explanation = self.policy.propose(self.explanation, self.dictionary)
        log_probs = line_log_probs(
            distribution.logits, self.true_bins, self.config.tolerance_bins
        ).masked_fill(~self.left, -torch.inf)
        line = draw_line(log_probs, self.explanation.playing)
        any_left = self.left.any(1)
        best = distribution.logits.argmax(-1)
        bins = torch.where(any_left, self.true_bins[self.rows, line], best)
        inharmonicity = self.frames.inharmonicity[self.rows, line].double()
        action = Action(line, bins, inharmonicity, any_left.to(self.scale.dtype))
        raw = distribution.read(action)
        tone = self.policy.tone(distribution, action, raw, self.explanation, self.dictionary)
        self._note(log_probs, any_left, best)
        self._note_tone(tone, action, raw)
        self.explanation = self.explanation.add(tone, self.scale, self.scale)
        self.left = self.left & ~functional.one_hot(line, self.left.shape[1]).bool()

    def _note(self, log_probs: Tensor, any_left: Tensor, best: Tensor) -> None:
        """Terms of the pitch: summed over tones, relative to how many there are in all."""
        n_tones = self.frames.audible.sum().clamp_min(1)
        near = (best[:, None] - self.true_bins).abs() <= self.config.tolerance_bins
        self.terms["pitch"].append(-log_probs.logsumexp(1)[any_left].sum() / n_tones)
        self.terms["found"].append((near & self.left).any(1).sum() / n_tones)

    def _note_tone(self, tone: Tone, action: Action, raw: Tensor) -> None:
        """Terms of a tone with its true pitch; a tone that is off counts only as such."""
        config, is_on = self.policy.objective_config, action.on
        truth = lift(self.frames.lines[self.rows, action.instrument], config)
        distance = radial_distance(truth, lift(tone.direct_spectrum, config)) / self.scale
        n_on = is_on.sum().clamp_min(1)
        on_logit = raw[:, Output.ON_LOGIT] + self.policy.parameter_config.on_bias
        surprise = inharmonicity_loss(raw, action, self.policy.parameter_config)
        self.terms["tone"].append((distance * is_on).sum() / n_on)
        self.terms["on"].append(functional.binary_cross_entropy_with_logits(on_logit, is_on))
        self.terms["inharmonicity"].append((surprise * is_on).sum() / n_on)

    def summary(self) -> Lesson:
        """The weighted objective and its terms."""
        config = self.config
        found_sum = lift(self.explanation.direct_tones.sum(1), self.policy.objective_config)
        mixture = (radial_distance(self.lifted, found_sum) / self.scale).mean()
        pitch, found, tone, on, inharmonicity = (
            torch.stack(self.terms[name])
            for name in ("pitch", "found", "tone", "on", "inharmonicity")
        )
        total = (
            config.weight_pitch * pitch.sum()
            + config.weight_tone * tone.mean()
            + config.weight_mixture * mixture
            + config.weight_on * on.mean()
            + config.weight_inharmonicity * inharmonicity.mean()
        )
        return Lesson(
            total=total,
            pitch=pitch.sum().detach(),
            tone=tone.mean().detach(),
            mixture=mixture.detach(),
            on=on.mean().detach(),
            inharmonicity=inharmonicity.mean().detach(),
            found=found.sum().detach(),
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
