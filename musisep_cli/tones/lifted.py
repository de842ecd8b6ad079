"""Lifted spectra: the non-negative data in which tones are sought as sums of unit atoms.

A frame's magnitudes are lifted, b = (|Y| + delta)^q - delta^q (Eq. 12), so that faint harmonics
count beside loud ones. An isolated Gaussian peak of width sigma stays one, of width
sigma' = sigma / sqrt(q). Noise, lifted, has a mean above 0, which every atom would meet: the data
are taken above the quantile of the bins around.

Overlapping peaks do not add up once they are lifted. So these data choose tones; they make no
sound.

Axes: ``n`` frames, ``f`` bins, ``w`` bins of a window of the floor, ``x`` places on the fine axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.tones.objective import ObjectiveConfig, lifted_magnitude
from musisep_cli.tones.peaks import bell

FLOOR_QUANTILE, FLOOR_BINS = 0.25, 101
"""The floor is this quantile of so many bins around: few of them lie on a peak."""
FLOOR_STEP_BINS = 32
"""The floor is worked out at every 32nd bin and is a straight line in between. At every bin it
takes longer than all else, and differs by less than the noise."""
FINE = 4
"""Places of the fine axis to a bin: half a step moves the tenth harmonic by 1.25 bins, a third of
the width that the correlation of two lifted peaks has."""
REACH_WIDTHS = 4.0
"""The matched filter is cut here: exp(-8) is 3e-4 of the peak."""


@dataclass(frozen=True)
class Lift:
    """How spectra are lifted, and how wide their peaks are then.

    Attributes:
        objective: the exponent q and the offset delta of Eq. 12.
        width_bins: sigma of a peak before it is lifted.
    """

    objective: ObjectiveConfig
    width_bins: float

    @property
    def lifted_width_bins(self) -> float:
        """Sigma' = sigma / sqrt(q), the width of a peak that is lifted."""
        return self.width_bins / math.sqrt(self.objective.lift_exponent)

    def data(self, spectra: Tensor) -> Tensor:
        """Return b >= 0 of complex spectra, above the floor of the noise, ``[n, f]``."""
        lifted = lifted_magnitude(spectra, self.objective)
        return (lifted - floor(lifted)).clamp_min(0.0)

    def matched(self, data: Tensor) -> Tensor:
        """Return <g_x, b> for a lifted peak g_x around every place x, ``[n, x]``.

        The place of index x lies at x / ``FINE`` bins.
        """
        width = self.lifted_width_bins
        reach = math.ceil(REACH_WIDTHS * width)
        offsets = torch.arange(-reach, reach + 1, device=data.device, dtype=data.dtype)
        between = torch.arange(FINE, device=data.device, dtype=data.dtype) / FINE
        peaks = torch.exp(-0.5 * ((offsets - between[:, None]) / width).square())
        found = functional.conv1d(data[:, None], peaks[:, None], padding=reach)  # n, FINE, f
        return found.transpose(1, 2).flatten(1)

    def inner(self, distance: Tensor) -> Tensor:
        """Return <g_x, g_y> of two lifted peaks by their distance in bins, of its shape.

        The product of two Gaussians of one width is one around their middle, and its sum over all
        bins is its integral: sigma' sqrt(pi) exp(-(x - y)^2 / (4 sigma'^2)). At the width of a
        lifted peak, 2.7 bins, the difference between the two is below 1e-30.
        """
        width = self.lifted_width_bins
        return width * math.sqrt(math.pi) * bell(distance / (math.sqrt(2) * width))

    def relative_heights(self, dictionary: Tensor) -> Tensor:
        """Return w = D^q, the harmonics of a lifted tone of height 1, of D's shape."""
        return dictionary.clamp_min(0.0) ** self.objective.lift_exponent


def floor(lifted: Tensor) -> Tensor:
    """Return a quantile of the bins around every bin, ``[n, f]``.

    >>> floor(torch.ones(1, 300)).unique().tolist()
    [1.0]
    """
    n_bins = lifted.shape[-1]
    half = FLOOR_BINS // 2
    padded = functional.pad(lifted[:, None], (half, half), mode="replicate")[:, 0]
    windows = padded.unfold(-1, FLOOR_BINS, FLOOR_STEP_BINS)  # n, places, w
    rank = 1 + round(FLOOR_QUANTILE * (FLOOR_BINS - 1))
    places = windows.kthvalue(rank, -1).values
    position = torch.arange(n_bins, device=lifted.device, dtype=lifted.dtype) / FLOOR_STEP_BINS
    below = position.floor().long().clamp_max(max(places.shape[1] - 2, 0))
    above = (below + 1).clamp_max(places.shape[1] - 1)
    part = (position - below).clamp(0.0, 1.0)
    return torch.lerp(places[:, below], places[:, above], part)
