"""Lifted frames made of exact atoms, whose measure is known."""

import math

import torch
from torch import Tensor

from musisep_cli.methods.lasso.measures import Measures, Peaked
from musisep_cli.methods.lasso.sliding_frank_wolfe import Frames
from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.lifted import Lift
from musisep_cli.tones.objective import ObjectiveConfig

LIFT = Lift(ObjectiveConfig(), 6 / math.pi)
N_BINS, N_HARMONICS = 1536, 12


def grid(*decays: float) -> PitchGrid:
    """Atoms of the dictionary r^(h - 1), one column for every r."""
    h = torch.arange(N_HARMONICS)[:, None]
    heights = LIFT.relative_heights(torch.tensor(decays) ** h)
    return PitchGrid(LIFT, heights, N_BINS, 10.0, 700.0)


def measures(
    heights: list[list[float]],
    pitches_bins: list[list[float]],
    players: list[list[int]] | None = None,
    inharmonicity: list[list[float]] | None = None,
) -> Measures:
    shape = torch.tensor(heights)
    return Measures(
        shape,
        torch.tensor(pitches_bins),
        torch.zeros_like(shape) if inharmonicity is None else torch.tensor(inharmonicity),
        torch.zeros_like(shape).long() if players is None else torch.tensor(players),
    )


def frames_of(truth: Measures, pitches: PitchGrid, share: float) -> Frames:
    """Frames of these atoms, alpha a share of their greatest certificate."""
    data: Tensor = Peaked(pitches, truth).drawn()
    matched = LIFT.matched(data)
    highest = pitches.certificate(matched).flatten(1).amax(1)
    return Frames(data, matched, share * highest)
