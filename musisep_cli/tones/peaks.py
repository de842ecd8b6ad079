"""Peaks: where a tone has harmonics, and the Gaussian peaks that they make (paper, Section 2.1).

Seen through a Gaussian window, a steady sinusoid at f_h is a Gaussian around f_h in the spectrum.
A tone is a sum of them,

    g_h[f] = exp(-(f - f_h)^2 / (2 sigma^2)),   y[f] = sum_h c_h g_h[f]      (Eqs. 8, 11, 18).

Axes: ``h`` harmonics, ``f`` bins, ``w`` bins of the window around one peak; leading axes are free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

PEAK_REACH = 6.0
"""Widths around its centre in which a peak is stored: beyond, exp(-6^2 / 2) is below rounding in
float32."""
BELL_REACH = 9.0
"""Widths beyond which a peak is 0: exp(-9^2 / 2) = 3e-18 is below rounding even in float64."""
POISSON_REACH = 3.8
"""Terms of Poisson's formula are taken while pi k sigma is below this: exp(-3.8^2) = 5e-7."""
NARROWEST_BINS = 0.1
"""Bins, below the narrowest width that a network can give; bounds the number of those terms."""
OUTSIDE_WIDTHS = 100.0
"""Widths, a distance at which a peak is 0 in any precision."""
SMALLEST_SQUARE = 1e-36
"""Added to a squared magnitude before the root is taken; near the smallest normal float32."""
FAR_BINS = 1e8
"""Bins: positions are cut here, so that no inharmonicity, however large, overflows an index."""


def magnitude(values: Tensor) -> Tensor:
    """Return |z| of complex numbers, with a finite derivative everywhere; real, of the same shape.

    The root of re^2 + im^2 + 10^-36: at 0 its derivative is 0, where that of ``abs`` divides by the
    smallest numbers and may give NaN. It is faster than ``abs`` too, which guards against overflow,
    and works in place, for the gradients need the two parts and the root alone.

    >>> float(magnitude(torch.tensor(3 + 4j)))
    5.0
    """
    real, imaginary = torch.view_as_real(values).unbind(-1)
    return real.square().add_(imaginary.square()).add_(SMALLEST_SQUARE).sqrt_()


def bell(distance: Tensor) -> Tensor:
    """Return exp(-d^2 / 2), and 0 beyond ``BELL_REACH``; of the shape of ``distance``.

    Nearly all peaks are far from each other, and an exponential that underflows takes a processor
    ten times as long: the exponent is cut before, the value set to 0 after.

    >>> bell(torch.tensor([0.0, 1.0, 1e8]))
    tensor([1.0000, 0.6065, 0.0000])
    """
    exponent = -0.5 * distance.square()
    least = -0.5 * BELL_REACH**2
    return torch.exp(exponent.clamp_min(least)) * (exponent > least)


def harmonic_positions(f0_bins: Tensor, inharmonicity: Tensor, n_harmonics: int) -> Tensor:
    """Return the frequencies of the harmonics, f_h = f_1 h sqrt(1 + b h^2)  (Eq. 3).

    Args:
        f0_bins: f_1 in bins, ``[...]``.
        inharmonicity: b >= 0, ``[...]``.
        n_harmonics: number of harmonics.

    Returns:
        Positions in bins, ``[..., h]``.

    >>> harmonic_positions(torch.tensor(100.0), torch.tensor(0.0), 3).tolist()
    [100.0, 200.0, 300.0]
    """
    h = torch.arange(1, n_harmonics + 1, dtype=f0_bins.dtype, device=f0_bins.device)
    positions: Tensor = f0_bins[..., None] * h * torch.sqrt(1 + inharmonicity[..., None] * h**2)
    return positions.clamp(-FAR_BINS, FAR_BINS)


@dataclass(frozen=True)
class Peaks:
    """The Gaussian peaks g_h of tones, in the bins where they are not 0.

    A spectrum is a sum of few narrow peaks: only the ``w`` bins around each are stored. That is
    enough for the widest peak at hand, so the result equals the dense sum to float32 rounding.

    Attributes:
        bins: bin of every stored value, cut to the spectrum, ``[..., h, w]``; None where the values
            are those of all bins, in order.
        values: g_h there, 0 outside the spectrum, ``[..., h, w]``.
        positions: f_h in bins, ``[..., h]``.
        widths: sigma in bins, ``[...]``.
        n_bins: length of the spectra.
        between: two numbers between which all widths lie, in bins.
    """

    bins: Tensor | None
    values: Tensor
    positions: Tensor
    widths: Tensor
    n_bins: int
    between: tuple[float, float]

    @classmethod
    def of(cls, positions: Tensor, widths: Tensor, n_bins: int) -> Peaks:
        """Make peaks at ``positions [..., h]`` with ``widths [...]``, both in bins.

        On a CPU the widths are read, to store as many bins as they need. A GPU would have to be
        waited for; there the peaks are taken everywhere.
        """
        if not widths.is_cpu:
            return cls.everywhere(positions, widths, n_bins)
        # Widths that are not finite fail later, as a training step that is counted, not applied.
        read = widths.detach()
        widest = max(read.nan_to_num(0.0, posinf=n_bins).flatten().tolist(), default=0.0)
        narrowest = min(read.nan_to_num(NARROWEST_BINS).flatten().tolist(), default=1.0)
        return cls.around(positions, widths, n_bins, between=(narrowest, widest))

    @classmethod
    def around(
        cls, positions: Tensor, widths: Tensor, n_bins: int, *, between: tuple[float, float]
    ) -> Peaks:
        """Make peaks of which as many bins are stored as widths ``between`` two numbers need.

        >>> widths = torch.tensor([1.5])
        >>> peaks = Peaks.around(torch.tensor([[10.0, 20.0]]), widths, 64, between=(1.5, 1.5))
        >>> peaks.values.shape
        torch.Size([1, 2, 21])
        """
        reach = min(math.ceil(PEAK_REACH * between[1]) + 1, n_bins)
        offsets = torch.arange(-reach, reach + 1, device=positions.device)
        # Stored around the nearest bin inside: a wide peak may reach in from a centre outside.
        nearest = positions.detach().clamp(0, n_bins - 1).round().long()
        bins = nearest[..., None] + offsets
        inside = (bins >= 0) & (bins < n_bins)
        distance = (bins - positions[..., None]) / widths[..., None, None]
        # Outside the spectrum the distance is replaced, so that no gradient is 0 times infinity.
        values = bell(torch.where(inside, distance, OUTSIDE_WIDTHS))
        return cls(bins.clamp(0, n_bins - 1), values, positions, widths, n_bins, between)

    @classmethod
    def everywhere(cls, positions: Tensor, widths: Tensor, n_bins: int) -> Peaks:
        """Make peaks in all bins: no width is read, and no shape depends on one."""
        bins = torch.arange(n_bins, device=positions.device)
        values = bell((bins - positions[..., None]) / widths[..., None, None])
        return cls(None, values, positions, widths, n_bins, (NARROWEST_BINS, n_bins))

    def part(self, harmonics: slice) -> Self:
        """Return some of the peaks."""
        return replace(
            self,
            bins=None if self.bins is None else self.bins[..., harmonics, :],
            values=self.values[..., harmonics, :],
            positions=self.positions[..., harmonics],
        )

    def widened(self, factor: float) -> Peaks:
        """Return peaks in the same places, ``factor`` times as wide."""
        narrowest, widest = self.between
        return Peaks.around(
            self.positions,
            factor * self.widths,
            self.n_bins,
            between=(factor * narrowest, factor * widest),
        )

    def render(self, coefficients: Tensor) -> Tensor:
        """Return the spectrum sum_h c_h g_h[f]  (Eqs. 11, 18).

        Args:
            coefficients: complex c_h, ``[..., h]``.

        Returns:
            Complex spectrum, ``[..., f]``.
        """
        # Real and imaginary parts as a trailing axis: scatter_add on complex numbers is not
        # available on every device.
        parts = torch.view_as_real(coefficients)
        if self.bins is None:
            return torch.view_as_complex((self.values.mT @ parts).contiguous())
        terms = parts[..., None, :] * self.values[..., None]
        terms = terms.flatten(-3, -2)  # ..., h w, 2
        index = self.bins.flatten(-2)[..., None].expand_as(terms)
        blank = terms.new_zeros(*terms.shape[:-2], self.n_bins, 2)
        return torch.view_as_complex(blank.scatter_add(-2, index, terms))

    def correlate(self, spectrum: Tensor) -> Tensor:
        """Return the inner products <g_h, v> = sum_f g_h[f] v[f], the adjoint of ``render``.

        Args:
            spectrum: complex v, ``[..., f]``.

        Returns:
            Complex, ``[..., h]``.
        """
        parts = torch.view_as_real(spectrum)
        if self.bins is None:
            return torch.view_as_complex((self.values @ parts).contiguous())
        index = self.bins.flatten(-2)[..., None]
        near = parts.gather(-2, index.expand(*index.shape[:-1], 2)).unflatten(
            -2, self.bins.shape[-2:]
        )
        products = (near * self.values[..., None]).sum(-2)
        return torch.view_as_complex(products)

    def gram(self) -> Tensor:
        """Return the inner products <g_h, g_h'> in closed form, real ``[..., h, h]``.

        The product of two Gaussians of one width is a Gaussian around their middle m, and the sum
        of a Gaussian over all integers follows from Poisson's formula:

            sum_f g_h[f] g_h'[f] = sigma sqrt(pi) exp(-(f_h - f_h')^2 / (4 sigma^2))           (1)
                                   (1 + 2 sum_{k >= 1} exp(-(pi k sigma)^2) cos(2 pi k m)).   (2)

        At the ideal width (1.9 bins) the inner sum is below 1e-15; as many of its terms are taken
        as the narrowest peak at hand needs for float32. The sum over f goes beyond the borders of
        the spectrum, as if it were 0 there.
        """
        distance = self.positions[..., :, None] - self.positions[..., None, :]
        middle = (self.positions[..., :, None] + self.positions[..., None, :]) / 2
        widths = self.widths[..., None, None]
        # (1), the integral over all frequencies
        smooth = widths * math.sqrt(math.pi) * bell(distance / (math.sqrt(2) * widths))
        # (2), by how much the sum over the bins differs from it
        n_terms = math.floor(POISSON_REACH / (math.pi * max(self.between[0], NARROWEST_BINS)))
        k = torch.arange(1, 1 + n_terms, dtype=widths.dtype, device=widths.device)
        waves = torch.cos(2 * math.pi * k * (middle - middle.detach().round())[..., None])
        decay = torch.exp(-(math.pi * k * widths[..., None]).square())
        return smooth * (1 + 2 * (decay * waves).sum(-1))
