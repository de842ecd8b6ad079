"""NK clustering: groups of points by their neighbourhoods (the paper's ref. [54]).

The number of clusters is asked for, their shape and size are not: a cluster is what hangs together.

1. The mutual neighbourhood value of two points is p + q, where x_i is the p-th nearest of x_j and
   x_j the q-th nearest of x_i. The K points with the least are a point's neighbours.
2. lambda_i are the eigenvalues of the covariance of a point and its neighbours: how far they
   spread, in every direction.
3. A point is noise if its mean eigenvalue that is not 0 exceeds the mean of all by P_noise standard
   deviations. Noise is dropped, and 1 and 2 are done again.
4. A false edge joins two clusters. A point's inadaptability is how far it spreads relative to its
   neighbours,

       a_i = mean_d lambda_i[d] / mean_{j neighbour of i} lambda_j[d]               (inadaptability)

   and as long as one exceeds mean a + P_false std a, that point is cut off the neighbour which is
   farthest from the centre of all its neighbours.
5. The clusters are the connected components of what is left.

K grows until as many clusters as instruments are large; where that never is, more points count as
noise; where that does not help, there is no answer.

Axes: ``p`` points, ``d`` dimensions, ``q`` neighbours of a point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]

NO_CLUSTER = -1
"""Label of the points that belong to none: noise, and small clusters."""
TINY = 1e-12
"""Below this share of the largest an eigenvalue counts as 0."""
ROUNDING = 1e-6
"""Points that spread less than this share of the widest spread are the same point; of a note that
is played again to the sample there are hundreds."""


@dataclass(frozen=True, kw_only=True)
class NkConfig:
    """Where the search starts, and what ends it (re-implementation of the paper)."""

    noise_start: float = 0.2
    """P_noise: standard deviations above the mean from which a point is noise."""
    noise_step: float = 0.1
    """It is lowered by this; at 0 the search has failed."""
    false_edges: float = 2.0
    """P_false: standard deviations above the mean from which a point has a false edge."""
    least_neighbours: int = 2
    """First K."""
    most_neighbours: int = 70
    """Last K."""
    neighbours_step: float = 1.25
    """K grows by at least 1 and by this factor: 18 values up to 70 instead of 69, for time."""
    share: float = 0.6
    """A large cluster holds this share of the points that are no noise, over the number of
    instruments: 0.3 for two, as in the re-implementation, whose 0.3 cannot hold for four. Of all
    points, with 40 % of them noise, it cannot hold for two clouds far from each other either."""
    most_points: int = field(default=800, metadata={"least": 10, "most": 4000})
    """Of more points evenly spread ones are taken: the time grows with their square."""


def clusters(
    points: Array, n_clusters: int, config: NkConfig, pause: Callable[[], None] = lambda: None
) -> Indices | None:
    """Return the cluster of every point, the largest first, ``[p]``, or None if the search fails.

    Args:
        points: ``[p, d]``.
        n_clusters: how many are asked for.
        config: where the search starts and ends.
        pause: called between trials; may raise to end the work.
    """
    if len(points) <= max(n_clusters, config.least_neighbours):
        return None
    nearest = np.argsort(_squared_distances(points), 1, kind="stable")  # the point itself first
    n_levels = round(config.noise_start / config.noise_step)
    for noise in config.noise_start - config.noise_step * np.arange(n_levels):
        for n_neighbours in _neighbour_counts(config, len(points)):
            pause()
            labels, n_found = _trial(points, nearest, n_neighbours, float(noise), config)
            if n_found < n_clusters:
                break
            sizes = np.bincount(labels[labels >= 0], minlength=n_clusters + 1)
            least_size = config.share / n_clusters * sizes.sum()
            if sizes[n_clusters - 1] >= least_size > sizes[n_clusters]:
                return np.where(labels < n_clusters, labels, NO_CLUSTER)
    return None


def _neighbour_counts(config: NkConfig, n_points: int) -> list[int]:
    """Return the values of K that are tried."""
    counts, count = [], config.least_neighbours
    while count <= min(config.most_neighbours, n_points - 2):
        counts.append(count)
        count = max(count + 1, int(count * config.neighbours_step))
    return counts


def _trial(
    points: Array, nearest: Indices, n_neighbours: int, noise: float, config: NkConfig
) -> tuple[Indices, int]:
    """Return the components that K and P_noise lead to, the largest first, and their number."""
    kept = np.ones(len(points), bool)
    spread = _Neighbourhoods.of(points, neighbours(nearest, n_neighbours)).mean_spread
    kept = spread <= spread.mean() + noise * spread.std()
    if kept.sum() <= n_neighbours + 1:
        return np.full(len(points), NO_CLUSTER), 0
    graph = _Neighbourhoods.of(points[kept], neighbours(_among(nearest, kept), n_neighbours))
    graph.cut_false_edges(config.false_edges)
    labels = np.full(len(points), NO_CLUSTER)
    labels[kept], n_found = graph.components()
    return labels, n_found


def neighbours(nearest: Indices, n_neighbours: int) -> Indices:
    """Return the K points with the least mutual neighbourhood value of every point, ``[p, K]``.

    Args:
        nearest: all points from the nearest on, the point itself first, ``[p, p]``.
        n_neighbours: K.

    >>> neighbours(np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]]), 1).tolist()
    [[1], [0], [1]]
    """
    n_points = len(nearest)
    rank = np.empty((n_points, n_points), np.int32)
    np.put_along_axis(rank, nearest, np.arange(n_points, dtype=np.int32)[None], 1)
    value = rank + rank.T  # p + q
    np.fill_diagonal(value, np.iinfo(np.int32).max)
    # Of equal ones the nearer: a point's own rank decides.
    best = np.argpartition(value * np.int64(n_points) + rank, n_neighbours - 1, axis=1)
    chosen: Indices = np.sort(best[:, :n_neighbours], 1)
    return chosen


def _among(nearest: Indices, kept: Flags) -> Indices:
    """Return the order of nearness among some of the points, with their new numbers."""
    rows = nearest[kept]
    number = np.cumsum(kept) - 1
    among: Indices = number[rows[kept[rows]]].reshape(len(rows), len(rows))
    return among


def _squared_distances(points: Array) -> Array:
    """Return the squared distances of all points, ``[p, p]``; 0, exactly, of a point to itself."""
    squares = np.square(points).sum(1)
    distances: Array = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, -1.0)
    return distances


@dataclass
class _Neighbourhoods:
    """Points, their neighbours, and how far these spread.

    Attributes:
        points: ``[p, d]``.
        edges: whether a point has another as its neighbour, bool ``[p, p]``.
        spread: eigenvalues lambda of every neighbourhood, ascending, ``[p, d]``.
        least: spreads below are rounding.
    """

    points: Array
    edges: Flags
    spread: Array
    least: float = TINY

    @classmethod
    def of(cls, points: Array, lists: Indices) -> _Neighbourhoods:
        """Return those of neighbours ``[p, q]``."""
        edges = np.zeros((len(points), len(points)), bool)
        np.put_along_axis(edges, lists, True, 1)
        together = np.concatenate([np.arange(len(points))[:, None], lists], 1)
        return cls(points, edges, eigenvalues(points[together]))

    @property
    def mean_spread(self) -> Array:
        """Return the mean of each point's eigenvalues that are not 0, ``[p]``."""
        counts = self.spread > TINY * np.maximum(self.spread[:, -1:], TINY)
        mean: Array = (self.spread * counts).sum(1) / np.maximum(counts.sum(1), 1)
        return mean

    def cut_false_edges(self, most_deviations: float) -> None:
        """Cut points off that spread farther than their neighbours, until none does.

        At most as often as there are points. Of notes that are repeated to the sample nearly every
        edge looks false, and to cut them one by one took most of a minute.
        """
        self.least = max(ROUNDING * float(self.spread[:, -1].max()), TINY)
        ratio = np.array([self._inadaptability(i) for i in range(len(self.points))])
        for _ in range(len(self.points)):
            exceeding = ratio > ratio.mean() + most_deviations * ratio.std()
            exceeding &= self.edges.any(1)
            if not exceeding.any():
                return
            i = int(np.where(exceeding, ratio, -np.inf).argmax())
            j = self._farthest_neighbour(i)
            self.edges[i, j] = self.edges[j, i] = False
            for point in (i, j):
                self._spread_again(point)
            for point in (i, j):
                ratio[point] = self._inadaptability(point)

    def _inadaptability(self, i: int) -> float:
        """Return a_i; 0 without neighbours, where nothing is left to cut."""
        near = self.spread[self.edges[i]]
        if not len(near):
            return 0.0
        return float((self.spread[i] / np.maximum(near.mean(0), self.least)).mean())  # (inadapt.)

    def _farthest_neighbour(self, i: int) -> int:
        near = np.flatnonzero(self.edges[i])
        centre = self.points[near].mean(0)
        return int(near[np.square(self.points[near] - centre).sum(1).argmax()])

    def _spread_again(self, i: int) -> None:
        together = np.flatnonzero(self.edges[i] | (np.arange(len(self.points)) == i))
        self.spread[i] = eigenvalues(self.points[together][None])[0]

    def components(self) -> tuple[Indices, int]:
        """Return the connected component of every point, the largest first, and their number."""
        n_found, labels = connected_components(coo_array(self.edges), directed=False)
        # Of equally large ones the one with the smaller first coordinates: any order of the points
        # leads to the same clusters.
        order = np.argsort(-np.bincount(labels), kind="stable")
        rank = np.empty(n_found, np.int64)
        rank[order] = np.arange(n_found)
        return rank[labels], n_found


def eigenvalues(groups: Array) -> Array:
    """Return the eigenvalues of the covariance of every group of points ``[p, q, d]``, ``[p, d]``.

    Ascending. Of few points in many dimensions those of the small Gram matrix are the same, with
    zeros besides.
    """
    n_points, n_dimensions = groups.shape[1:]
    centred = groups - groups.mean(1, keepdims=True)
    if n_points >= n_dimensions:
        return np.linalg.eigvalsh(centred.transpose(0, 2, 1) @ centred / n_points).clip(0)
    values = np.zeros((len(groups), n_dimensions))
    small = np.linalg.eigvalsh(centred @ centred.transpose(0, 2, 1) / n_points)
    values[:, n_dimensions - n_points :] = small.clip(0)
    return values
