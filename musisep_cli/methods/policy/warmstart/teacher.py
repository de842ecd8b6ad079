"""Teacher: the objective on simulated frames, whose tones are known.

Axes: ``b`` frames, ``m`` lines, ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.methods.policy.forced import ForcedConfig, ForcedTone, forced_rollout
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.warmstart.simulator import SimulatedFrames
from musisep_cli.tones.objective import lift, radial_distance
from musisep_cli.tones.tones import Tones

N_HARMONICS = 25
"""Number of harmonics of a tone in the lessons: the tone model's default."""
LEAST_LEVEL = 1e-9
"""Added to a frame's mean squared lifted level: a silent frame has no relative distance."""


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(ForcedConfig):
    """Weights of the terms."""

    weight_tone: float = 1.0
    """Weight of every direct prediction against its line, relative to the frame."""
    weight_mixture: float = 0.5
    """Weight of the sum of the direct predictions against the frame, relative to it."""


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
    """Return the objective of one rollout over simulated frames with the true tones forced."""
    tones = Tones(
        on=frames.audible.to(frames.mixture.real.dtype),
        f0_bins=frames.f0_bins,
        inharmonicity=frames.inharmonicity,
    )
    dictionary = frames.mixture.real.new_ones(N_HARMONICS, frames.lines.shape[1])  # has no say
    forced = forced_rollout(policy, frames.mixture, tones, dictionary, config.tolerance_bins)
    lifted = lift(frames.mixture, policy.objective_config)
    scale = torch.view_as_real(lifted).square().sum(-1).mean(-1) + LEAST_LEVEL
    found_sum = lift(forced.explanation.direct_tones.sum(1), policy.objective_config)
    mixture = (radial_distance(lifted, found_sum) / scale).mean()
    tone = torch.stack(
        [_tone_distance(frames.lines, each, scale, policy) for each in forced.passes]
    ).mean()
    total = forced.loss(config) + config.weight_tone * tone + config.weight_mixture * mixture
    return Lesson(
        total=total,
        pitch=forced.pitch.detach(),
        tone=tone.detach(),
        mixture=mixture.detach(),
        on=forced.on.detach(),
        inharmonicity=forced.inharmonicity.detach(),
        found=forced.found,
    )


def _tone_distance(lines: Tensor, forced: ForcedTone, scale: Tensor, policy: Policy) -> Tensor:
    """Return the mean distance of direct predictions from their lines, relative to ``scale [b]``.

    Tones that are off do not count.
    """
    config, is_on = policy.objective_config, forced.action.on
    rows = torch.arange(len(lines), device=lines.device)
    truth = lift(lines[rows, forced.action.instrument], config)
    distance = radial_distance(truth, lift(forced.tone.direct_spectrum, config)) / scale
    return (distance * is_on).sum() / is_on.sum().clamp_min(1)
