"""Objective: lifted distances between spectra and their weighted sum (paper, Sections 3.1, 3.4).

Spectra are compared after their magnitudes are lifted, |z| -> (|z| + delta)^q - delta^q: with
q = 1/2, a harmonic 40 dB below another counts a tenth of it instead of a hundredth.

Axes: ``k`` rollouts, ``i`` tones (one per instrument), ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from musisep_cli.tones.peaks import magnitude


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Distances and their weights (Eqs. 12, 19, 21)."""

    lift_exponent: float = 0.5
    """Exponent q of the lift |z| -> (|z| + delta)^q: the smaller, the more faint bins count."""
    lift_offset: float = field(default=1e-7, metadata={"least": 0})
    """Offset delta of the lift, a magnitude: keeps its derivative finite at 0."""
    weight_dictionary: float = field(default=10.0, metadata={"least": 0})
    """Weight mu_1 of the sparse dictionary prediction against the spectrum, magnitudes only."""
    weight_direct: float = field(default=10.0, metadata={"least": 0})
    """Weight mu_2 of the direct prediction against the spectrum, with phases."""
    weight_agreement: float = field(default=1.0, metadata={"least": 0})
    """Weight mu_3 of the direct against the dictionary prediction, tone by tone, with phases."""
    sparsity: float = 0.9
    """Factor lambda on the first term for every tone that a frame is explained without."""


def lift(spectrum: Tensor, config: ObjectiveConfig) -> Tensor:
    """Return the lifted spectrum ((|z| + delta)^q - delta^q) z / |z|, of the same shape; 0 stays 0.

    With x = |z| / delta the factor in front of z is delta^(q-1) ((1 + x)^q - 1) / x, written with
    log1p and expm1 so that it is exact for small x; below ``floor`` it is its limit q. There is
    no division by |z|, and so nothing that can become infinite.

    >>> from math import isclose
    >>> isclose(float(lift(torch.tensor(-0.25 + 0j), ObjectiveConfig()).real), -0.5, rel_tol=1e-3)
    True
    """
    floor = 1e-6
    q, delta = config.lift_exponent, config.lift_offset
    x = (magnitude(spectrum) / delta).clamp_min(floor)
    factor = delta ** (q - 1) * torch.expm1(q * torch.log1p(x)) / x
    lifted: Tensor = spectrum * factor
    return lifted


def lifted_magnitude(spectrum: Tensor, config: ObjectiveConfig) -> Tensor:
    """Return |lift(z)| = (|z| + delta)^q - delta^q, real, of the same shape."""
    q, delta = config.lift_exponent, config.lift_offset
    lifted: Tensor = (magnitude(spectrum) + delta) ** q - delta**q
    return lifted


def magnitude_distance(lifted_reference: Tensor, lifted_estimate: Tensor) -> Tensor:
    """Return d_abs: the mean squared difference of lifted magnitudes (Eq. 12), ``[...]``.

    Departs from the paper: a mean over bins without the factor 1/2, as in the authors'
    implementation. All terms change by one factor, which AdaMax cancels, and the value no longer
    depends on the number of bins.
    """
    return (magnitude(lifted_reference) - magnitude(lifted_estimate)).square().mean(-1)


def radial_distance(lifted_reference: Tensor, lifted_estimate: Tensor) -> Tensor:
    """Return d_rad: the mean squared difference of lifted spectra (Eq. 19), ``[...]``.

    Departs from the paper as ``magnitude_distance`` does.
    """
    difference = torch.view_as_real(lifted_reference - lifted_estimate)  # ..., f, 2
    return difference.flatten(-2).square().sum(-1) / difference.shape[-2]


@dataclass(frozen=True)
class Objective:
    """The objective of every rollout and its three unweighted terms, each ``[k]``."""

    total: Tensor
    dictionary: Tensor
    direct: Tensor
    agreement: Tensor


def objective(
    *,
    reference: Tensor,
    dictionary_tones: Tensor,
    direct_tones: Tensor,
    on: Tensor,
    config: ObjectiveConfig,
) -> Objective:
    """Return the objective of every rollout (Eq. 21).

        L = mu_1 d_abs(Y, y_spr) lambda^n_off + mu_2 d_rad(Y, y_dir)
            + mu_3 mean_j d_rad(y_dir_j, y_j)

    Here y_spr = sum_j u_j y_j is the sum over the tones that are on, and n_off the number of the
    others. The last term is a mean over tones (authors' implementation).

    Args:
        reference: complex spectra Y, ``[k, f]``.
        dictionary_tones: y_j, ``[k, i, f]``.
        direct_tones: y_dir_j, ``[k, i, f]``.
        on: u_j, 0 or 1, ``[k, i]``.
        config: exponents and weights.
    """
    lifted = lift(reference, config)
    # First term: y_spr, without the tones that are off, and the reward lambda^n_off for them.
    sparse = lift((on[..., None] * dictionary_tones).sum(-2), config)
    reward = config.sparsity ** (1 - on).sum(-1)
    dictionary = magnitude_distance(lifted, sparse) * reward
    # Second and third term: y_dir against Y, and tone by tone against the dictionary's y_j.
    direct = radial_distance(lifted, lift(direct_tones.sum(-2), config))
    agreement = radial_distance(lift(direct_tones, config), lift(dictionary_tones, config)).mean(-1)
    total = (
        config.weight_dictionary * dictionary
        + config.weight_direct * direct
        + config.weight_agreement * agreement
    )
    return Objective(total, dictionary, direct, agreement)
