"""Regularisation path: from the strongest tones of a frame to the faintest that are looked for.

With alpha above max q(b) nothing is found, and the smaller it is, the more tones are worth their
height. Each alpha starts from what the one before it found, so that loud tones have their places
when faint ones are added.

Axes: as in the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from musisep_cli.methods.lasso.measures import Measures
from musisep_cli.methods.lasso.sliding_frank_wolfe import (
    Frames,
    FrankWolfeConfig,
    sliding_frank_wolfe,
)
from musisep_cli.tones.certificate import PitchGrid


@dataclass(frozen=True, kw_only=True)
class PathConfig:
    """Which tones of a frame are found."""

    shares: tuple[float, ...] = (0.5, 0.25, 0.125, 0.1)
    """alpha relative to the greatest certificate of the frame's own data, from step to step. A tone
    fainter than the last share, harmonics lifted and added up, vanishes."""
    more_tones: int = field(default=3, metadata={"least": 0})
    """Atoms of a frame beyond one for every instrument."""


@dataclass(frozen=True)
class Detected:
    """What was found in some frames.

    Attributes:
        measures: the atoms at the last alpha.
        alpha: the last one, ``[n]``.
        matched: the data after ``Lift.matched``, ``[n, x]``.
    """

    measures: Measures
    alpha: Tensor
    matched: Tensor


@torch.no_grad()
def detect(
    spectra: Tensor,
    grid: PitchGrid,
    n_tones: int,
    *,
    path: PathConfig,
    solver: FrankWolfeConfig,
) -> Detected:
    """Return the atoms of frames at the end of the path.

    Args:
        spectra: complex, ``[n, f]``.
        grid: the pitches, with the instruments' columns.
        n_tones: that may sound at once.
        path: the steps of alpha.
        solver: how long atoms are looked for.
    """
    data = grid.lift.data(spectra)
    matched = grid.lift.matched(data)
    highest = grid.certificate(matched).flatten(1).amax(1)
    found = Measures.none(len(spectra), n_tones + path.more_tones, matched)
    alpha = highest
    for share in path.shares:
        alpha = share * highest
        found = sliding_frank_wolfe(Frames(data, matched, alpha), found, grid, solver)
    return Detected(found, alpha, matched)
