"""Average structure: what an instrument sounds like, and how steadily (paper, Section III).

B_i[h] is the mean level of harmonic h over the instrument's tones in which it is seen, for the
harmonics that are seen in at least 30 % of those that show the first; the others are not the
instrument's. Its harmonic structure instability HSI_i is how far single tones are from it,

    HSI_i = sqrt(mean_h var B[h]),                                                         (HSI)

at least 1 dB, for of few tones alike it would be 0 and forbid all others.

Axes: ``p`` tones, ``h`` harmonics, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.structures.harmonic_structure import (
    Structures,
    structure,
)
from musisep_cli.methods.structures.k_means import k_means
from musisep_cli.methods.structures.nk_clustering import NkConfig, clusters

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]

LEAST_SHARE = 0.3
"""A harmonic is the instrument's if it is seen in this share of the tones with the first one."""
LEAST_HSI_DB = 1.0
"""No instrument is steadier (not in the paper)."""
GAP_DB = 50.0
"""For clustering, a harmonic that is not seen lies so far below the tone's strongest: as deep as
peaks are looked for. Departs from the paper: at its 0 dB, 80 below what is seen, gaps would make
all the distance between two tones."""


@dataclass(frozen=True)
class Instruments:
    """What is known of every instrument.

    Attributes:
        level_db: B, at an energy of 100 dB, 0 where the instrument has no harmonic, ``[i, h]``.
        has: which harmonics it has, bool ``[i, h]``.
        instability_db: HSI, ``[i]``.
        n_tones: how many tones it was learned from, ``[i]``.
        by_nk: whether NK clustering found the instruments, or else k-means.
    """

    level_db: Array
    has: Flags
    instability_db: Array
    n_tones: Indices
    by_nk: bool

    def dictionary(self, n_harmonics: int, floor: float) -> Array:
        """Return relative amplitudes D[h, i] = 10^((B_i[h] - max B_i) / 20), ``[h, i]``.

        Args:
            n_harmonics: of the dictionary; those beyond the structure's get the floor.
            floor: what harmonics get that the instrument does not have.
        """
        strongest = np.where(self.has, self.level_db, -np.inf).max(1, keepdims=True)
        relative = np.where(self.has, 10 ** ((self.level_db - strongest) / 20), floor)
        whole = np.full((n_harmonics, len(relative)), floor)
        n_both = min(n_harmonics, relative.shape[1])
        whole[:n_both] = np.maximum(relative.T[:n_both], floor)
        return whole


def instruments(
    tones: Structures, n_instruments: int, config: NkConfig, pause: Callable[[], None]
) -> Instruments:
    """Return what the tones of a recording say of its instruments, the highest first.

    Args:
        tones: of the first pass.
        n_instruments: how many there are.
        config: of the clustering.
        pause: called between trials; may raise to end the work.
    """
    labels = clusters(points(tones), n_instruments, config, pause) if n_instruments > 1 else None
    by_nk = n_instruments == 1 or labels is not None
    if n_instruments == 1:
        labels = np.zeros(len(tones), np.int64)
    if labels is None:
        labels = k_means(tones, n_instruments)
    parts = [tones[np.flatnonzero(labels == i)] for i in range(n_instruments)]
    heights = [np.median(part.f0_bins) if len(part) else -np.inf for part in parts]
    parts = [parts[i] for i in np.argsort(-np.array(heights), kind="stable")]
    found = [average(part) for part in parts]
    return Instruments(
        level_db=np.stack([level for level, _, _ in found]),
        has=np.stack([has for _, has, _ in found]),
        instability_db=np.array([hsi for _, _, hsi in found]),
        n_tones=np.array([len(part) for part in parts]),
        by_nk=by_nk,
    )


def points(tones: Structures) -> Array:
    """Return the structures as points to be clustered, ``[p, h]``."""
    strongest = tones.level_db.max(1, keepdims=True, initial=0.0)
    filled: Array = np.where(
        tones.seen, np.maximum(tones.level_db, strongest - GAP_DB), strongest - GAP_DB
    )
    return filled


def average(tones: Structures) -> tuple[Array, Flags, float]:
    """Return B ``[h]``, which harmonics the instrument has, bool ``[h]``, and its HSI in dB.

    Without any tone, a sawtooth's.
    """
    n_harmonics = tones.level_db.shape[1]
    if not len(tones):
        decay = -20 * np.log10(np.arange(1, n_harmonics + 1))
        everywhere = np.ones(n_harmonics, bool)
        return structure(decay, everywhere), everywhere, LEAST_HSI_DB
    count = tones.seen.sum(0)
    with_first = tones.seen[tones.seen[:, 0]] if count[0] else tones.seen
    has = (with_first.mean(0) >= LEAST_SHARE) & (count > 0)
    mean = (tones.level_db * tones.seen).sum(0) / np.maximum(count, 1)
    square = (np.square(tones.level_db - mean) * tones.seen).sum(0) / np.maximum(count, 1)
    instability = np.sqrt(square[has].mean()) if has.any() else 0.0  # (HSI)
    return np.where(has, mean, 0.0), has, max(float(instability), LEAST_HSI_DB)
