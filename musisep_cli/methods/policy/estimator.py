"""Estimator: the surrogates whose gradients train network and dictionary (paper, Section 3.5).

Axes: ``b`` frames of the batch, ``k`` rollouts of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig:
    """Policy-gradient estimator (Section 3.5)."""

    policy_weight: float = field(default=0.1, metadata={"least": 0})
    """Factor w of the policy gradient against the gradient of the objective itself."""
    pathwise_weight: float = field(default=1.0, metadata={"least": 0})
    """Factor of the gradient of the objective itself. Below 1 departs from the paper: a network
    that has learned on known tones how they share a harmonic would unlearn it, since the objective
    of the mixture does not see who has what."""
    baseline: Literal["mean", "leave-one-out"] = "mean"
    """Leave-one-out departs from the paper: the baseline of a rollout leaves its own objective out,
    which removes the factor 1 - 1/S by which the mean shrinks the policy gradient."""


def network_surrogate(objectives: Tensor, log_probs: Tensor, config: EstimatorConfig) -> Tensor:
    """Return a scalar whose gradient is the estimate for the network's weights, of all the batch.

        g = 1/S sum_i [ w grad log pi^{R_i}(s_i) (L_i - C) + grad L_i ]                         (1)

    For independent rollouts E[grad log pi(s_i) C] = 0 for every part of C that does not contain
    L_i. The mean C = 1/S sum_i L_i contains L_i / S, so the first term's expectation is
    (1 - 1/S) w times the policy gradient: a documented bias of the step size, not of the direction.
    With the leave-one-out baseline the factor is 1.

    In a tree of rollouts with R branches per tone, C also contains the objectives of the rollouts
    that share the first tones, so tone j of m keeps the factor 1 - 1/R^j: 2/3 and 8/9 for two tones
    and three branches. The direction leans a little away from the first tone.

    Args:
        objectives: L_i, ``[b, k]``.
        log_probs: flattened log-probabilities of the rollouts, ``[b, k]``.
        config: weight and baseline.
    """
    losses = objectives.detach()
    n_rollouts = losses.shape[1]
    advantage = losses - losses.mean(1, keepdim=True)  # L_i - C
    if config.baseline == "leave-one-out" and n_rollouts > 1:
        # L_i - sum_{j != i} L_j / (S - 1) = (L_i - C) S / (S - 1)
        advantage = advantage * n_rollouts / (n_rollouts - 1)
    policy = config.policy_weight * log_probs * advantage
    return (policy + config.pathwise_weight * objectives).mean(1).sum()  # (1) is its gradient


def dictionary_surrogate(objectives: Tensor, log_probs: Tensor, plain_log_probs: Tensor) -> Tensor:
    """Return a scalar whose gradient is the estimate for the dictionary, of all the batch.

        g_D = sum_i rho_i grad_D L_i / sum_i rho_i,  rho_i = pi(s_i) / pi^{R_i}(s_i)            (2)

    Weighted importance sampling: the rollouts are drawn from flattened policies, the dictionary is
    wanted for the policy itself. The softmax of log rho_i normalises without overflow.

    Args:
        objectives: L_i, ``[b, k]``.
        log_probs: flattened log-probabilities, ``[b, k]``.
        plain_log_probs: log-probabilities at r = 1, ``[b, k]``.
    """
    # Softmax of log rho_i: rho_i / sum_i rho_i of (2).
    weights = torch.softmax((plain_log_probs - log_probs).detach(), 1)
    return (weights * objectives).sum()
