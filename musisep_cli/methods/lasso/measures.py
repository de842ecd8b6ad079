"""Measures: the unit atoms of every frame with their heights, and the inner products of them.

A measure mu = sum_j a_j delta_{i_j, s_j, b_j} stands for the sum of unit atoms

    y = sum_j a_j psi_j,  psi_j = sum_h w[h, i_j] g_{f_h(s_j, b_j)} / N(i_j, s_j),

with w = D^q, lifted peaks g and harmonics at f_h = s h sqrt(1 + b h^2) (Eq. 3 of the tone model).
All that the solver asks for are inner products, and of Gaussian peaks these are a formula of their
distance d: K(d) = <g_x, g_{x-d}> (``Lift.inner``), with

    <g_x, g_y'> = K d / (2 sigma'^2),   <g_x', g_y'> = K (1 / (2 sigma'^2) - d^2 / (4 sigma'^4)),

where ' is the derivative by the peak's own place.

Axes: as in the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.lifted import FINE
from musisep_cli.tones.peaks import bell, harmonic_positions

NEIGHBOURS = (-1, 0, 1)
"""Of another atom's peaks only those around the nearest are near: at the lowest pitch, 10 bins, the
next ones are 15 bins away, where exp(-d^2 / (4 sigma'^2)) is 4e-4."""
DRAWN_WIDTHS = 4.5
"""A peak is drawn so many of its widths to both sides: exp(-10) beyond."""


@dataclass(frozen=True)
class Measures(FrameRows):
    """Of every frame a sum of point measures; a height of 0 is no atom.

    Attributes:
        heights: a >= 0, ``[n, j]``.
        pitches_bins: s, ``[n, j]``.
        inharmonicity: b, ``[n, j]``.
        players: the instrument i, ``[n, j]``.
    """

    heights: Tensor
    pitches_bins: Tensor
    inharmonicity: Tensor
    players: Tensor

    @classmethod
    def none(cls, n_frames: int, n_atoms: int, like: Tensor) -> Measures:
        """Return measures that are 0, with room for some atoms."""
        zeros = like.new_zeros(n_frames, n_atoms)
        players = torch.zeros(n_frames, n_atoms, dtype=torch.long, device=like.device)
        return cls(zeros, torch.ones_like(zeros), zeros, players)

    def first(self, n_atoms: int) -> Measures:
        """Return the atoms of the first columns."""
        return Measures(*(values[:, :n_atoms] for values in vars(self).values()))

    def written(self, rows: Tensor, others: Measures) -> Measures:
        """Return these with the first columns of some frames ``[k]`` replaced by others'."""
        changed = {}
        for name, values in vars(self).items():
            new = getattr(others, name)
            changed[name] = values.clone()
            changed[name][rows, : new.shape[1]] = new
        return replace(self, **changed)

    def where(self, chosen: Tensor, others: Measures) -> Measures:
        """Return these in the chosen frames, bool ``[n]``, and the others elsewhere."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Measures(*(torch.where(chosen[:, None], own, other) for own, other in pairs))


@dataclass(frozen=True)
class Peaked:
    """The peaks of all atoms: where they are, and how high for a unit atom.

    Attributes:
        grid: the atoms of all pitches.
        measures: those of these frames.
    """

    grid: PitchGrid
    measures: Measures

    @cached_property
    def positions(self) -> Tensor:
        """f_h of all atoms, ``[n, j, h]``."""
        found = self.measures
        n_harmonics = len(self.grid.heights)
        return harmonic_positions(found.pitches_bins, found.inharmonicity, n_harmonics)

    @cached_property
    def weights(self) -> Tensor:
        """W / N of all peaks, 0 of those above the last bin and of no atom, ``[n, j, h]``."""
        found = self.measures
        inside = (self.positions <= self.grid.n_bins - 1) & (found.heights > 0)[..., None]
        norms = self._between_pitches(self.grid.norms, found.players, found.pitches_bins)
        return self.grid.heights.T[found.players] / norms[..., None] * inside

    @cached_property
    def slopes(self) -> tuple[Tensor, Tensor]:
        """df_h / ds and df_h / db, each ``[n, j, h]``."""
        found = self.measures
        h = torch.arange(1, self.positions.shape[-1] + 1, device=self.positions.device)
        stretch = torch.sqrt(1 + found.inharmonicity[..., None] * h**2)
        return h * stretch, found.pitches_bins[..., None] * h**3 / (2 * stretch)

    @cached_property
    def near(self) -> Tensor:
        """The harmonics of every atom near to every peak, as numbers from 0 on, ``[n, p, j, o]``.

        Of exact harmonics, that to a place x is number x / s; stretched ones are found by going
        there twice.
        """
        found = self.measures
        pitches, stiff = found.pitches_bins[:, None], found.inharmonicity[:, None]  # n, 1, j
        exact = self.positions.flatten(1)[..., None] / pitches
        number = exact
        for _ in range(2):
            number = exact / torch.sqrt(1 + stiff * number.square())
        offsets = torch.tensor(NEIGHBOURS, device=number.device)
        last = len(self.grid.heights) - 2
        return (number.round() - 1).long().clamp(1, last)[..., None] + offsets

    def of_near(self, values: Tensor) -> Tensor:
        """Return values of all peaks ``[n, j, h]`` at those that are near, ``[n, p, j, o]``."""
        _, n_atoms, n_harmonics = values.shape
        first = n_harmonics * torch.arange(n_atoms, device=values.device)
        index = (self.near + first[:, None]).flatten(1)
        return values.flatten(1).gather(1, index).view(self.near.shape)

    @cached_property
    def distances(self) -> Tensor:
        """X - y from every peak to those near to it, ``[n, p, j, o]``."""
        return self.positions.flatten(1)[..., None, None] - self.of_near(self.positions)

    @cached_property
    def kernel(self) -> Tensor:
        """K of these distances, ``[n, p, j, o]``."""
        return self.grid.lift.inner(self.distances)

    def _between_pitches(self, norms: Tensor, players: Tensor, pitches_bins: Tensor) -> Tensor:
        """Return the norms at the nearest pitch of the grid, ``[n, j]``: they hardly change."""
        grid = self.grid.pitches_bins
        nearest = torch.searchsorted(grid, pitches_bins.contiguous()).clamp_max(len(grid) - 1)
        return norms[players, nearest]

    def drawn(self) -> Tensor:
        """Return y = sum_j a_j psi_j, ``[n, f]``."""
        width, n_bins = self.grid.lift.lifted_width_bins, self.grid.n_bins
        positions = self.positions.flatten(1)  # n, p
        reach = math.ceil(DRAWN_WIDTHS * width)
        offsets = torch.arange(-reach, reach + 1, device=positions.device)
        bins = positions.clamp(-reach, n_bins + reach).round()[..., None] + offsets
        values = bell((bins - positions[..., None]) / width)
        values *= (self.measures.heights[..., None] * self.weights).flatten(1)[..., None]
        # Whatever lies outside goes to two bins more, one before and one after.
        index = bins.clamp_(-1, n_bins).add_(1).long().flatten(1)
        blank = values.new_zeros(len(values), n_bins + 2)
        return blank.scatter_add_(1, index, values.flatten(1))[:, 1:-1]


@dataclass(frozen=True)
class Products:
    """Inner products of a frame's atoms with its data and with each other.

    Attributes:
        data: <psi_j, b>, ``[n, j]``.
        gram: <psi_j, psi_k>, ``[n, j, j]``.
    """

    data: Tensor
    gram: Tensor

    def objective(self, heights: Tensor, alpha: Tensor) -> Tensor:
        """Return Eq. (1) without its constant 1/2 |b|^2, ``[n]``.

        Args:
            heights: a, ``[n, j]``.
            alpha: ``[n]``.
        """
        quadratic = torch.einsum("nj,njk,nk->n", heights, self.gram, heights)
        return quadratic / 2 + ((alpha[:, None] - self.data) * heights).sum(1)


def products(peaked: Peaked, matched: Tensor) -> Products:
    """Return the inner products of all atoms.

    Args:
        peaked: the atoms.
        matched: the data after ``Lift.matched``, ``[n, x]``.
    """
    weights = peaked.weights
    data = (weights * _at(matched, peaked.positions)).sum(-1)
    gram = _blocks(peaked.kernel, weights, peaked.of_near(weights))
    return Products(data, gram)


@dataclass(frozen=True)
class Slopes:
    """The inner products of the derivatives by pitch and inharmonicity, of unit atoms.

    The norm N is taken for constant: it changes with the pitch only where neighbouring harmonics
    touch. Whether a step is taken is decided on the objective itself.

    Attributes:
        data: <psi_m', b>, ``[n, m]``; m runs over the pitches of all atoms, then the
            inharmonicities.
        mixed: <psi_j, psi_m'>, ``[n, j, m]``.
        gram: <psi_m', psi_m''>, ``[n, m, m]``.
    """

    data: Tensor
    mixed: Tensor
    gram: Tensor


def slopes(peaked: Peaked, matched: Tensor) -> Slopes:
    """Return the inner products that a step of the pitches needs; arguments of ``products``."""
    width = peaked.grid.lift.lifted_width_bins
    sloped = [peaked.weights * slope for slope in peaked.slopes]  # each n, j, h
    slope_at = _at(matched, peaked.positions, derivative=True)
    distance = peaked.distances
    kernel = peaked.kernel / (2 * width**2)
    first = kernel * distance
    second = kernel - first * distance / (2 * width**2)
    near = [peaked.of_near(each) for each in sloped]
    return Slopes(
        data=torch.cat([(each * slope_at).sum(-1) for each in sloped], 1),
        mixed=torch.cat([_blocks(first, peaked.weights, each) for each in near], 2),
        gram=torch.cat(
            [torch.cat([_blocks(second, own, each) for each in near], 2) for own in sloped], 1
        ),
    )


def _blocks(kernel: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Return sum_x sum_y left_x K(x - y) right_y over the peaks of every two atoms, ``[n, j, k]``.

    Args:
        kernel: of the peaks that are near to each other, ``[n, p, k, o]``.
        left: weights of all peaks, ``[n, j, h]``.
        right: weights of those that are near, ``[n, p, k, o]``.
    """
    half = torch.einsum("npko,npko->npk", kernel, right)
    return torch.einsum("njhk,njh->njk", half.unflatten(1, left.shape[1:]), left)


def _at(values: Tensor, positions: Tensor, *, derivative: bool = False) -> Tensor:
    """Return values of the fine axis, or their derivative by bins, ``[n, j, h]``.

    The cubic through the four places around, as in ``joint_fit.comb_strength``.

    Args:
        values: ``[n, x]``.
        positions: in bins, ``[n, j, h]``.
        derivative: whether it is wanted instead.
    """
    places = (FINE * positions).flatten(1)
    below = places.clamp(1, values.shape[1] - 3).floor().long()
    t = (places - below).clamp(-1, 2)
    if derivative:
        weights = (
            -(3 * t**2 - 6 * t + 2) / 6,
            (3 * t**2 - 4 * t - 1) / 2,
            -(3 * t**2 - 2 * t - 2) / 2,
            (3 * t**2 - 1) / 6,
        )
    else:
        weights = (
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        )
    found = torch.zeros_like(places)
    for offset, weight in enumerate(weights, -1):
        found += weight * values.gather(1, below + offset)
    return (FINE * found if derivative else found).view_as(positions)
