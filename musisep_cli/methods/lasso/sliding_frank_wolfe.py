"""Sliding Frank-Wolfe: the sum of atoms with the least objective, at pitches between all grids.

Q. Denoyelle, V. Duval, G. Peyre, E. Soubies, The sliding Frank-Wolfe algorithm and its application
to super-resolution microscopy, Inverse Problems 36(1), 2020. Per frame:

1. The certificate q of what is left (Eq. 2). Stop if q <= 1.001 alpha everywhere.
2. Add an atom where q is greatest.
3. Find all heights (``non_negative``); drop those that are 0.
4. Slide pitches and inharmonicities to lower the objective, all atoms at once. Merge atoms of one
   instrument that meet. Go to 1.

There is no step size to choose, and only a merger can raise the objective. The grid of the
certificate starts atoms and nothing else.

Step 4 is a damped Gauss-Newton step in (a, s, b) with the residual p. For an atom alone p looks
like alpha psi at the optimum, and the second derivative of 1/2 |p|^2 by its pitch is

    a^2 |psi'|^2 - a <psi'', p> = a (a + alpha) |psi'|^2,                                     (5)

which is taken for the diagonal: with a^2 alone, steps overshoot where alpha is as large as a.

Axes: as in the package; ``m`` the pitches of all atoms, then their inharmonicities.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from musisep_cli.methods.lasso.measures import Measures, Peaked, Products, products, slopes
from musisep_cli.methods.lasso.non_negative import non_negative_lasso
from musisep_cli.tones.certificate import PitchGrid

TOLERANCE = 1.001
"""The certificate counts as kept up to this factor of alpha."""
DAMPING = 1e-3
"""Of the normal equations, relative to their diagonal: harmonics may coincide."""
LONGEST_STEP_BINS, LONGEST_STEP_INHARMONICITY = 0.5, 1e-4
"""Of one sliding step: beyond, the parabola says nothing of the objective."""
SHORTER = 0.25
"""A step that raised the objective is tried again so much shorter."""


@dataclass(frozen=True, kw_only=True)
class FrankWolfeConfig:
    """How long the atoms of a frame are looked for."""

    slides: int = 2
    """Gauss-Newton steps after every new atom."""
    reach_bins: float = 1.5
    """An atom slides no farther from where it was added."""
    max_inharmonicity: float = field(default=1e-3, metadata={"least": 0})
    """b of Eq. 3, the stiffest string that is looked for in one frame. 0: harmonics are exact."""
    merge_bins: float = 0.5
    """Atoms of one instrument that are closer are one."""
    rounds: int = 6
    """Of coordinate descent after every step."""


@dataclass(frozen=True)
class Frames:
    """What is known of some frames.

    Attributes:
        data: b, ``[n, f]``.
        matched: the data after ``Lift.matched``, ``[n, x]``.
        alpha: bound of the certificate, ``[n]``.
    """

    data: Tensor
    matched: Tensor
    alpha: Tensor

    def at(self, rows: Tensor) -> Frames:
        """Return some of them, ``[k]``."""
        return Frames(self.data[rows], self.matched[rows], self.alpha[rows])


def sliding_frank_wolfe(
    frames: Frames, start: Measures, grid: PitchGrid, config: FrankWolfeConfig
) -> Measures:
    """Return the atoms of every frame, as many as there is room for in ``start`` at most.

    Args:
        frames: the data and alpha.
        start: atoms to begin with, the last columns free for new ones.
        grid: the pitches where atoms start.
        config: how long they are looked for.
    """
    n_room = start.heights.shape[1]
    found = start
    active = torch.arange(len(frames.alpha), device=frames.alpha.device)
    if bool((start.heights > 0).any()):
        found = settled(frames, start, grid, config, n_slides=0)
    for _ in range(n_room + 1):
        here, part = found[active], frames.at(active)
        best = grid.certificate(left(part, here, grid)).flatten(1).max(1)
        missing = best.values > TOLERANCE * part.alpha
        missing &= (here.heights == 0).any(1)
        active = active[missing]
        if len(active) == 0:
            break
        part = part.at(missing)
        added = with_atom(
            here[missing], best.values[missing] - part.alpha, best.indices[missing], grid
        )
        found = found.written(active, settled(part, added, grid, config, n_slides=config.slides))
    return found


def left(frames: Frames, found: Measures, grid: PitchGrid) -> Tensor:
    """Return p = b - sum_j a_j psi_j after ``Lift.matched``, ``[n, x]``."""
    n_filled = int((found.heights > 0).sum(1).max())
    if n_filled == 0:
        return frames.matched
    return grid.lift.matched(frames.data - Peaked(grid, found.first(n_filled)).drawn())


def with_atom(found: Measures, heights: Tensor, places: Tensor, grid: PitchGrid) -> Measures:
    """Return the measures with one more atom in the first free column of every frame.

    Args:
        found: each with a free column, those filled first.
        heights: of the new atoms, ``[n]``.
        places: where they are, as indices of ``[i, s]`` in a row, ``[n]``.
        grid: the pitches.
    """
    column = (found.heights > 0).sum(1, keepdim=True)
    n_pitches = len(grid.pitches_bins)
    return Measures(
        heights=found.heights.scatter(1, column, heights[:, None]),
        pitches_bins=found.pitches_bins.scatter(
            1, column, grid.pitches_bins[places % n_pitches][:, None]
        ),
        inharmonicity=found.inharmonicity.scatter(1, column, 0.0),
        players=found.players.scatter(1, column, (places // n_pitches)[:, None]),
    )


def settled(
    frames: Frames, found: Measures, grid: PitchGrid, config: FrankWolfeConfig, *, n_slides: int
) -> Measures:
    """Return the atoms after steps 3 and 4, those with the greatest height first."""
    n_filled = int((found.heights > 0).sum(1).max())
    now = _Settling.of(frames, found.first(n_filled), grid, config)
    origin, scale = now.found.pitches_bins, torch.ones_like(frames.alpha)
    for _ in range(n_slides):
        tried = _Settling.of(frames, _slid(now, frames, origin, scale, config), grid, config)
        better = tried.objective < now.objective
        now = now.replaced(better, tried)
        scale = torch.where(better, 1.0, SHORTER * scale)
    return found.written(
        torch.arange(len(frames.alpha)), in_order(merged(now.found, config.merge_bins))
    )


@dataclass(frozen=True)
class _Settling:
    """Atoms with the best heights at their places.

    Attributes:
        found: the atoms.
        peaked: their peaks.
        products: their inner products.
        objective: Eq. (1) without its constant, ``[n]``.
    """

    found: Measures
    peaked: Peaked
    products: Products
    objective: Tensor

    @classmethod
    def of(
        cls, frames: Frames, found: Measures, grid: PitchGrid, config: FrankWolfeConfig
    ) -> _Settling:
        """Step 3: the heights at the places of ``found``, whose own heights they start from."""
        peaked = Peaked(grid, found)
        inner = products(peaked, frames.matched)
        heights = non_negative_lasso(
            inner.gram, inner.data, frames.alpha, start=found.heights, n_rounds=config.rounds
        )
        objective = inner.objective(heights, frames.alpha)
        return cls(replace(found, heights=heights), peaked, inner, objective)

    def replaced(self, better: Tensor, other: _Settling) -> _Settling:
        """Return the other in the frames where it is better, bool ``[n]``."""

        def either(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(better.view(-1, *[1] * (old.ndim - 1)), new, old)

        found = other.found.where(better, self.found)
        inner = Products(
            either(other.products.data, self.products.data),
            either(other.products.gram, self.products.gram),
        )
        objective = either(other.objective, self.objective)
        return _Settling(found, Peaked(self.peaked.grid, found), inner, objective)


def _slid(
    now: _Settling, frames: Frames, origin: Tensor, scale: Tensor, config: FrankWolfeConfig
) -> Measures:
    """Return the atoms after one Gauss-Newton step in heights, pitches and inharmonicities.

    Args:
        now: where they are.
        frames: the data.
        origin: where they were added, ``[n, j]``.
        scale: how much of the step is taken, ``[n]``.
        config: how far they may go.
    """
    found, inner = now.found, now.products
    n_atoms = found.heights.shape[1]
    heights = found.heights
    slope = slopes(now.peaked, frames.matched)
    moved = heights.repeat(1, 2)  # n, m: the derivative of a_j psi_j is a_j psi_j'
    mixed = slope.mixed * moved[:, None]
    gram = slope.gram * moved[:, :, None] * moved[:, None]
    # Eq. (5), for an atom's own pitch and inharmonicity together.
    own = torch.eye(n_atoms, device=heights.device).repeat(2, 2)
    alone = frames.alpha[:, None] / moved.clamp_min(1e-12)
    gram = gram * (1 + own * alone[:, None])
    normal = torch.cat(
        [torch.cat([inner.gram, mixed], 2), torch.cat([mixed.mT, gram], 2)], 1
    )  # n, j + m, j + m
    pull = inner.data - frames.alpha[:, None] - torch.einsum("njk,nk->nj", inner.gram, heights)
    along = moved * (slope.data - torch.einsum("njm,nj->nm", slope.mixed, heights))
    step = _solved(normal, torch.cat([pull, along], 1))
    d_heights, d_pitches, d_inharmonicity = (scale[:, None] * part for part in step.chunk(3, 1))
    limit, stiff = LONGEST_STEP_BINS, LONGEST_STEP_INHARMONICITY
    pitches = found.pitches_bins + d_pitches.clamp(-limit, limit)
    pitches = torch.minimum(
        torch.maximum(pitches, origin - config.reach_bins), origin + config.reach_bins
    )
    inharmonicity = found.inharmonicity + d_inharmonicity.clamp(-stiff, stiff)
    return replace(
        found,
        heights=torch.where(heights > 0, (heights + d_heights).clamp_min(1e-9), 0.0),
        pitches_bins=pitches.clamp_min(1.0),
        inharmonicity=inharmonicity.clamp(0.0, config.max_inharmonicity),
    )


def _solved(normal: Tensor, right: Tensor) -> Tensor:
    """Return the solution of damped normal equations, 0 where the diagonal is 0, ``[n, m]``.

    Scaled to a diagonal of 1 first: pitches and inharmonicities have different units.
    """
    diagonal = normal.diagonal(dim1=1, dim2=2)
    scale = torch.where(diagonal > 0, diagonal.clamp_min(1e-30).rsqrt(), 0.0)
    scaled = normal * scale[:, :, None] * scale[:, None]
    scaled = (
        scaled
        + torch.eye(normal.shape[-1], device=normal.device)
        * torch.where(scale > 0, DAMPING, 1.0)[:, None]
    )
    solution = torch.linalg.solve(scaled.to(torch.float64), (right * scale).to(torch.float64))
    step: Tensor = solution.to(normal.dtype) * scale
    return step


def merged(found: Measures, reach_bins: float) -> Measures:
    """Return the measures with atoms of one instrument that are close made one.

    The height of both, at the place of the higher one.
    """
    heights = list(found.heights.unbind(1))
    for j in range(len(heights)):
        for k in range(j + 1, len(heights)):
            distance = (found.pitches_bins[:, j] - found.pitches_bins[:, k]).abs()
            same = (distance < reach_bins) & (found.players[:, j] == found.players[:, k])
            same &= (heights[j] > 0) & (heights[k] > 0)
            total, first = heights[j] + heights[k], heights[j] >= heights[k]
            heights[j] = torch.where(same, torch.where(first, total, 0.0), heights[j])
            heights[k] = torch.where(same, torch.where(first, 0.0, total), heights[k])
    return replace(found, heights=torch.stack(heights, 1))


def in_order(found: Measures) -> Measures:
    """Return the atoms of every frame from the highest to the lowest, those of height 0 last."""
    order = found.heights.sort(dim=1, descending=True, stable=True).indices
    return Measures(*(values.gather(1, order) for values in vars(found).values()))
