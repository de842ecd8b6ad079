"""K-means: instruments where NK clustering finds none (not in the paper).

The tones' lifted amplitudes, sqrt(10^(B / 20)), are compared by the cosine between them, as the
rest of the program compares timbres. Tones of one frame go to different clusters, for they are
played by different instruments, and louder tones say more. From several starts, that with the
least cost is taken.

Axes: ``p`` tones, ``h`` harmonics, ``i`` clusters, ``k`` starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.structures.harmonic_structure import Structures

Array: TypeAlias = NDArray[np.floating[Any]]
Indices: TypeAlias = NDArray[np.int64]

N_STARTS = 12
"""The first is by pitch, the others by the tones of one frame each, spread over the recording."""
MOST_ROUNDS = 50
"""Of assigning and averaging; nothing changes after 10 to 20."""


def k_means(tones: Structures, n_clusters: int) -> Indices:
    """Return the cluster of every tone, ``[p]``.

    Args:
        tones: in the order of their frames, at most ``n_clusters`` of one.
        n_clusters: how many.
    """
    if not len(tones):
        return np.zeros(0, np.int64)
    directions = lifted(tones)
    weight = 10 ** ((tones.energy_db - tones.energy_db.max(initial=-300.0)) / 10)
    groups = _same_frame(tones.frame)
    best, best_cost = np.zeros(len(tones), np.int64), np.inf
    for centres in _starts(directions, tones, groups, n_clusters):
        labels = np.full(len(tones), -1)
        for _ in range(MOST_ROUNDS):
            likeness = directions @ centres.T
            again = _assigned(likeness, groups, n_clusters)
            if (again == labels).all():
                break
            labels = again
            centres = _averaged(directions, weight, labels, centres)
        cost = float((weight * (1 - np.take_along_axis(likeness, labels[:, None], 1)[:, 0])).sum())
        if cost < best_cost:
            best, best_cost = labels, cost
    return best


def lifted(tones: Structures) -> Array:
    """Return unit vectors of the square roots of harmonic amplitudes, ``[p, h]``."""
    roots = np.where(tones.seen, 10 ** (tones.level_db / 40), 0.0)
    vectors: Array = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-12)
    return vectors


def _same_frame(frame: Indices) -> list[Indices]:
    """Return the tones of every frame that has some."""
    firsts = np.flatnonzero(np.diff(frame, prepend=-1))
    return np.split(np.arange(len(frame)), firsts[1:])


def _starts(
    directions: Array, tones: Structures, groups: list[Indices], n_clusters: int
) -> Iterator[Array]:
    """Yield first centres: by pitch, then those of full frames from all over the recording."""
    order = np.argsort(tones.f0_bins, kind="stable")
    parts = np.array_split(order, n_clusters)
    yield np.stack([directions[part].sum(0) for part in parts])
    full = [group for group in groups if len(group) == n_clusters]
    if full:
        for place in np.linspace(0, len(full) - 1, N_STARTS - 1).round().astype(int):
            yield directions[full[place]]


def _assigned(likeness: Array, groups: list[Indices], n_clusters: int) -> Indices:
    """Return the best cluster of every tone, different ones within a frame, ``[p]``."""
    labels = np.zeros(len(likeness), np.int64)
    for size in {len(group) for group in groups}:
        together = np.array([group for group in groups if len(group) == size])  # frames, size
        ways = np.array(list(permutations(range(n_clusters), size)))  # ways, size
        total = likeness[together[:, None], ways].sum(-1)  # frames, ways
        labels[together] = ways[total.argmax(1)]
    return labels


def _averaged(directions: Array, weight: Array, labels: Indices, before: Array) -> Array:
    """Return the unit vectors of the clusters' weighted sums; of empty ones the one before."""
    centres = before.copy()
    for i in range(len(centres)):
        total = weight[labels == i] @ directions[labels == i]
        norm = np.linalg.norm(total)
        centres[i] = total / norm if norm > 0 else before[i]
    norms = np.linalg.norm(centres, axis=1, keepdims=True)
    unit: Array = centres / np.maximum(norms, 1e-12)
    return unit
