"""Filters: all-pole filters by their line spectral frequencies (specification, Section 1).

A filter H = 1 / A of even order p has p line spectral frequencies 0 < w_1 < .. < w_p < pi. They
are the zeros on the unit circle of P = A + z^-(p+1) A(1/z) and Q = A - z^-(p+1) A(1/z), in turn,
and A = (P + Q) / 2 is minimum phase, so H is stable, if and only if they are in this order. With

    o(w) = prod_{i odd} (2 cos w - 2 cos w_i),  e(w) = prod_{i even} (2 cos w - 2 cos w_i)

it is, on the unit circle,

    A(w) = exp(-j w (p + 1) / 2) (cos(w/2) o(w) + j sin(w/2) e(w)),                             (1)
    |A(w)|^2 = cos^2(w/2) o(w)^2 + sin^2(w/2) e(w)^2.                                           (2)

Axes: ``p`` line spectral frequencies, ``q`` frequencies at which a filter is wanted; any before.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ORDER = 20
"""Order p of a voice's filter: ten resonances below 8 kHz."""
LOG_TEN = math.log(10)
"""Exponent of the activation: a step of the input becomes one of the level in decades."""
LEAST_OUTPUT = 1e-7
"""Least value of the activation."""
EVEN_SHARE = 0.01
"""Share of pi that is divided evenly among the gaps. Departs from the paper, where a gap may come
to nothing: two frequencies that are equal in float32 put a pole on the unit circle, and |H| is not
finite there. A gap is at least 1.5e-3, 3.8 Hz at 16 kHz, narrower than resonances of voices are."""
LEAST_POWER = 1e-8
"""Least |A|^2: H is not above 80 dB."""


def activation(outputs: Tensor, most: float) -> Tensor:
    """Return E(x; m) = m sigmoid(x)^ln 10 + 1e-7 of any outputs x, of the same shape."""
    return most * torch.sigmoid(outputs) ** LOG_TEN + LEAST_OUTPUT


def line_frequencies(outputs: Tensor) -> Tensor:
    """Return line spectral frequencies in radians of any finite outputs, ``[..., p]``.

    Args:
        outputs: of a network, one more than there are frequencies, ``[..., p + 1]``.
    """
    gaps = activation(outputs, 2.0)
    shares = gaps / gaps.sum(-1, keepdim=True)
    even = (1 - EVEN_SHARE) * shares + EVEN_SHARE / outputs.shape[-1]
    return math.pi * even.cumsum(-1)[..., :-1]


def inverse_power(frequencies: Tensor, at_rad: Tensor) -> Tensor:
    """Return |A|^2 at some frequencies, by (2), ``[..., q]``.

    Args:
        frequencies: line spectral frequencies of the filters, ``[..., p]``.
        at_rad: where, in radians, ``[..., q]``.
    """
    odd, even = _products(frequencies, at_rad)
    half = at_rad / 2
    power = half.cos().square() * odd.square() + half.sin().square() * even.square()  # (2)
    return power.clamp_min(LEAST_POWER)


def response(frequencies: Tensor, at_rad: Tensor) -> Tensor:
    """Return H = 1 / A at some frequencies, by (1), complex ``[..., q]``.

    Args:
        frequencies: line spectral frequencies of the filters, ``[..., p]``.
        at_rad: where, in radians, ``[..., q]``.
    """
    odd, even = _products(frequencies, at_rad)
    half = at_rad / 2
    turned = torch.complex(half.cos() * odd, half.sin() * even)
    delay = torch.polar(torch.ones_like(at_rad), half * (frequencies.shape[-1] + 1))
    return delay * turned.conj() / inverse_power(frequencies, at_rad)  # 1 / (1)


def _products(frequencies: Tensor, at_rad: Tensor) -> tuple[Tensor, Tensor]:
    """Return o(w) and e(w), each ``[..., q]``."""
    zeros, at = 2 * frequencies.cos(), 2 * at_rad.cos()
    odd, even = at - zeros[..., :1], at - zeros[..., 1:2]
    for i in range(2, frequencies.shape[-1], 2):
        odd = odd * (at - zeros[..., i : i + 1])
        even = even * (at - zeros[..., i + 1 : i + 2])
    return odd, even
