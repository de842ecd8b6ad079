"""Tone parameters: from raw network outputs to valid values (paper, Sections 2.3, 3.2).

The network gives nine numbers for every instrument and bin. Bounds live here and nowhere else.

Axes: ``k`` rollouts, ``i`` instruments, ``f`` bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

import torch
from torch import Tensor, nn
from torch.nn import functional

from musisep_cli.tones.peaks import magnitude

MAX_WIDTH_RAW = 100.0
"""Largest raw width: no peak is wider than 1.1 kHz at the paper's window. The harmonics of much
wider ones are all alike, and their normal equations singular to float32 rounding."""
MOST_CORRECTION = 3
"""Bound on a correction of the artificial spectrum: it is at most 1 + 3 times the residual."""


class Output(IntEnum):
    """Index of each quantity among the network's outputs of an instrument."""

    LOGIT = 0
    AMPLITUDE = 1
    WIDTH = 2
    OFFSET = 3
    GAMMA_SHAPE = 4
    GAMMA_RATE = 5
    SPECTRUM_REAL = 6
    SPECTRUM_IMAG = 7
    ON_LOGIT = 8


@dataclass(frozen=True, kw_only=True)
class ParameterConfig:
    """Start values of the output scales, and the maps to valid values (authors' implementation)."""

    scale_logit: float = 10_000.0
    scale_amplitude: float = 1.0
    scale_width: float = 3.0
    scale_offset: float = 1.0
    scale_gamma_shape: float = 30.0
    scale_gamma_rate: float = 30.0
    scale_spectrum: float = 1.0
    scale_on: float = 1_000.0
    scale_range: float = 1_000.0
    """A trained scale stays within this factor of its start value."""
    on_bias: float = field(default=500.0, metadata={"least": -math.inf})
    """Added to the on-logit: tones start as certainly on."""
    max_offset_bins: float = 5.0
    """Largest distance in bins of the pitch from the sampled bin."""
    min_width_raw: float = field(default=-3.0, metadata={"least": -math.inf})
    """Least raw width: no peak is narrower than 0.07 of the ideal width."""
    gamma_log_limit: float = 30.0
    """Bound on the logarithms of the Gamma distribution's shape and rate: keeps them finite."""
    gamma_rate_factor: float = 1_000.0
    """The Gamma distribution's mean starts at one over this."""
    residual: bool = False
    """Departs from the paper: the network predicts corrections. The artificial spectrum is the
    residual of the direct prediction times 1 + output, at any level and at most 4 times itself,
    and the amplitude a closed-form estimate times exp(3 tanh(output)): what is left to learn from
    scratch is pitch and instrument."""


class OutputScales(nn.Module):
    """Trainable positive scale of each of the 9 outputs of each instrument, kept as a logarithm.

    Departs from the paper: the logarithm is start + range tanh(p / range) of the trained number p
    instead of start + p. It is the same near the start, but 70,000 steps of one sign cannot make
    the scale overflow.

    Shape: ``[k, 9 i, f]`` -> ``[k, 9, i, f]``.
    """

    start: Tensor

    def __init__(self, config: ParameterConfig, n_instruments: int) -> None:
        super().__init__()
        scales = torch.empty(len(Output))
        scales[Output.LOGIT] = config.scale_logit
        scales[Output.AMPLITUDE] = config.scale_amplitude
        scales[Output.WIDTH] = config.scale_width
        scales[Output.OFFSET] = config.scale_offset
        scales[Output.GAMMA_SHAPE] = config.scale_gamma_shape
        scales[Output.GAMMA_RATE] = config.scale_gamma_rate
        scales[Output.SPECTRUM_REAL] = config.scale_spectrum
        scales[Output.SPECTRUM_IMAG] = config.scale_spectrum
        scales[Output.ON_LOGIT] = config.scale_on
        self.register_buffer("start", scales.log()[:, None, None], persistent=False)
        self.range = math.log(config.scale_range)
        self.drift = nn.Parameter(torch.zeros(len(Output), n_instruments, 1))

    def forward(self, outputs: Tensor) -> Tensor:
        # exp(start + range tanh(p / range)), one scale per output and instrument
        scale = torch.exp(self.start + self.range * torch.tanh(self.drift / self.range))
        scaled: Tensor = outputs.unflatten(1, (len(Output), -1)) * scale
        return scaled


def width_bins(raw: Tensor, config: ParameterConfig, *, ideal: float) -> Tensor:
    """Return the width sigma = softplus(raw) / ln 2 times the ideal width, in bins: never 0.

    Departs from the paper, which has no ceiling: without, some steps would not be finite.

    >>> float(width_bins(torch.tensor(0.0), ParameterConfig(), ideal=2.0))
    2.0
    """
    bounded = raw.clamp(config.min_width_raw, MAX_WIDTH_RAW)
    return functional.softplus(bounded) * (ideal / math.log(2))


def offset_bins(raw: Tensor, config: ParameterConfig) -> Tensor:
    """Return the offset nu~ = 5 tanh(raw), in bins."""
    return config.max_offset_bins * torch.tanh(raw)


def gamma_parameters(
    raw_shape: Tensor, raw_rate: Tensor, config: ParameterConfig
) -> tuple[Tensor, Tensor]:
    """Return shape and rate of the inharmonicity's Gamma distribution, finite and > 0.

    In float64, for they may reach exp(+-30), and the log-density is a difference of terms of that
    size.
    """
    limit = config.gamma_log_limit
    shape = raw_shape.to(torch.float64).clamp(-limit, limit).exp()
    rate = raw_rate.to(torch.float64).clamp(-limit, limit).exp() * config.gamma_rate_factor
    return shape, rate


def correction(raw: Tensor) -> Tensor:
    """Return the complex correction raw / sqrt(1 + |raw|^2 / 9): raw near 0, and below 3."""
    return raw / (1 + magnitude(raw).square() / MOST_CORRECTION**2).sqrt()
