"""Atoms: the columns of a dictionary while it is learned, their random start and their renewal.

2N atoms compete for the frames of N instruments. An atom starts as

    D[h] = u_h h^(-x) / max,  u_h ~ U(0, 1),  x ~ Lomax(1/2), density (1 + x)^(-3/2) / 2,

a random timbre with a random decay. (The paper's notation for x, Par(1, 2), is not settled: we keep
to the density of the authors' implementation.) Every 500 iterations the N atoms of least score

    S / (age - 250),  S = sum of a since birth,                                          (P6)

are drawn anew. An age is 500 at the first renewal, so that a newcomer's first score is doubled: a
head start.

Axes: ``i`` atoms, ``h`` harmonics. Dictionaries are transposed here, ``[i, h]``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

LOMAX_SHAPE = 0.5
"""Of the decay's distribution: its mean is infinite, so that some atoms are nearly pure tones."""
RENEWAL_ITERATIONS = 500
"""Between two renewals; also the age from which an atom may be kept."""
HEAD_START = 250
"""Taken off the age in (P6)."""


def random_atoms(
    generator: np.random.Generator, n_atoms: int, n_harmonics: int
) -> NDArray[np.float64]:
    """Return random atoms with a largest amplitude of 1, ``[i, h]``.

    >>> random_atoms(np.random.default_rng(1), 2, 3).max(1).tolist()
    [1.0, 1.0]
    """
    decay = generator.pareto(LOMAX_SHAPE, (n_atoms, 1))  # NumPy's pareto is Lomax's distribution
    h = np.arange(1, n_harmonics + 1)
    atoms = generator.random((n_atoms, n_harmonics)) * np.exp(-decay * np.log(h))
    # u is 0 once in 2^53 draws.
    atoms[:, 0] = np.maximum(atoms[:, 0], np.finfo(np.float64).tiny)
    normalised: NDArray[np.float64] = atoms / atoms.max(1, keepdims=True)
    return normalised


@dataclass(frozen=True)
class AtomState:
    """The atoms that are learned, and what their training has gathered; updated in place.

    Attributes:
        columns: D, transposed, ``[i, h]``.
        momentum: m of (P5), ``[i, h]``.
        power: v of (P5), ``[i]``.
        age: iterations since birth, the step counter of (P5), ``[i]``.
        score: S of (P6), ``[i]``.
    """

    columns: NDArray[np.float64]
    momentum: NDArray[np.float64]
    power: NDArray[np.float64]
    age: NDArray[np.int64]
    score: NDArray[np.float64]

    @classmethod
    def of(cls, columns: NDArray[np.float64]) -> AtomState:
        """Return the state of newborn atoms ``[i, h]``."""
        n_atoms = len(columns)
        return cls(
            columns=columns.copy(),
            momentum=np.zeros_like(columns),
            power=np.zeros(n_atoms),
            age=np.zeros(n_atoms, np.int64),
            score=np.zeros(n_atoms),
        )

    def renewed(self, chosen: NDArray[np.int64], columns: NDArray[np.float64]) -> AtomState:
        """Return a copy with the chosen atoms in the state of newborn ones, ``columns [k, h]``."""
        born, copy = (
            AtomState.of(columns),
            AtomState(*(vars(self)[f.name].copy() for f in fields(self))),
        )
        for field in fields(self):
            vars(copy)[field.name][chosen] = vars(born)[field.name]
        return copy


def least_used(state: AtomState, n_chosen: int) -> NDArray[np.int64]:
    """Return the atoms of least score (P6), sorted by number, ``[n_chosen]``.

    Ours: an atom that is younger than ``RENEWAL_ITERATIONS``, as in a short training, has its score
    taken over its age as it would be at the least; the paper has no dictionary then.
    """
    scores = state.score / (np.maximum(state.age, RENEWAL_ITERATIONS) - HEAD_START)
    chosen: NDArray[np.int64] = np.sort(np.argsort(scores, kind="stable")[:n_chosen])
    return chosen


def most_used(state: AtomState, n_chosen: int) -> NDArray[np.float64]:
    """Return the atoms that are no newcomers and have the best scores, ``[n_chosen, h]``.

    They are sorted by score, the best first. Only where too few are old enough, as in a training of
    less than ``RENEWAL_ITERATIONS``, the younger ones count as well.
    """
    scores = state.score / (np.maximum(state.age, RENEWAL_ITERATIONS) - HEAD_START)
    mature = state.age >= RENEWAL_ITERATIONS
    order = np.lexsort((-scores, ~mature))
    chosen: NDArray[np.float64] = state.columns[order[:n_chosen]]
    return chosen
