"""Learning: the dictionary, by pursuit on random frames and one gradient step after each.

An iteration draws a frame, pursues it with all atoms, and moves them down dL/dD at the fitted tones
(P4), by Adam with one second moment per atom, the mean over its harmonics, so that a step keeps the
shape of the momentum:

    m <- 0.9 m + 0.1 g,  v <- 0.999 v + 0.001 mean_h g[h]^2,
    D <- clip(D - 1e-3 m^ / (sqrt(v^) + 1e-8), 0, 1),  m^ = m / (1 - 0.9^k), v^ alike.    (P5)

The counter k grows in every step, whether an atom was used or not. D is not normalised.

Axes: ``n`` frames, ``i`` atoms, ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.atoms import (
    RENEWAL_ITERATIONS,
    AtomState,
    least_used,
    most_used,
    random_atoms,
)
from musisep_cli.methods.pursuit.configs import LearningConfig, PursuitConfig
from musisep_cli.methods.pursuit.fit import DELTA
from musisep_cli.methods.pursuit.pursuit import N_NEW, pursue
from musisep_cli.methods.pursuit.selection import patterns_of
from musisep_cli.methods.pursuit.tone import HEIGHT, add_atom_gradient, log_spectrum

BETA_1, BETA_2 = 0.9, 0.999
"""Decays of (P5)."""
EPSILON = 1e-8
"""Keeps (P5) finite where no gradient was seen."""


@dataclass(frozen=True)
class Learned:
    """A dictionary on its way.

    Attributes:
        iteration: iterations done.
        state: the atoms.
        distance: mean of d(Y, y) / sum Y over the frames since the last report.
    """

    iteration: int
    state: AtomState
    distance: float


@compiled
def adam_step(
    columns: NDArray[np.float64],
    momentum: NDArray[np.float64],
    power: NDArray[np.float64],
    age: NDArray[np.int64],
    gradient: NDArray[np.float64],
    rate: float,
) -> None:
    """Move all atoms ``[i, h]`` by one step of (P5), in place.

    Args:
        columns: D, transposed, ``[i, h]``.
        momentum: m, ``[i, h]``.
        power: v, ``[i]``.
        age: k before the step, ``[i]``.
        gradient: dL/dD, ``[i, h]``.
        rate: of the step.
    """
    for i in range(len(columns)):
        age[i] += 1
        mean_square = 0.0
        for h in range(columns.shape[1]):
            momentum[i, h] = BETA_1 * momentum[i, h] + (1 - BETA_1) * gradient[i, h]
            mean_square += gradient[i, h] ** 2 / columns.shape[1]
        power[i] = BETA_2 * power[i] + (1 - BETA_2) * mean_square
        root = math.sqrt(power[i] / (1 - BETA_2 ** age[i])) + EPSILON
        step = rate / (1 - BETA_1 ** age[i]) / root
        for h in range(columns.shape[1]):
            columns[i, h] = min(max(columns[i, h] - step * momentum[i, h], 0.0), 1.0)


@compiled
def gradient_of(
    spectrum: NDArray[np.float64],
    tones: NDArray[np.float64],
    atoms: NDArray[np.int64],
    columns: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return dL/dD ``[i, h]`` at the tones of a spectrum (P4), and L = d(Y, y) (P2)."""
    explained = log_spectrum(tones, atoms, columns, len(spectrum)) + DELTA
    rho = np.sqrt(explained) - np.sqrt(spectrum + DELTA)
    error = rho * 0.5 / np.sqrt(explained)  # e = dL/dy
    gradient = np.zeros_like(columns)
    for t in range(len(tones)):
        add_atom_gradient(gradient[atoms[t]], tones[t], error)
    return gradient, 0.5 * np.dot(rho, rho)


@compiled
def _learn_frames(
    spectra: NDArray[np.float32],
    columns: NDArray[np.float64],
    momentum: NDArray[np.float64],
    power: NDArray[np.float64],
    age: NDArray[np.int64],
    score: NDArray[np.float64],
    n_kept: int,
    acceptance: float,
    n_steps: int,
    tolerance: float,
    rate: float,
) -> float:
    """Learn from frames ``[n, f]`` one after the other; return the mean of d(Y, y) / sum Y."""
    n_frames, n_bins = spectra.shape
    slopes = np.empty((n_kept * len(columns) + N_NEW, 4, n_bins))
    total = 0.0
    for n in range(n_frames):
        spectrum = spectra[n].astype(np.float64)
        patterns, norms = patterns_of(columns)
        tones, atoms = pursue(
            spectrum, columns, patterns, norms, n_kept, acceptance, n_steps, tolerance, slopes
        )
        gradient, distance = gradient_of(spectrum, tones, atoms, columns)
        level = spectrum.sum()
        if level > 0:
            total += distance / level / n_frames
        for t in range(len(tones)):
            score[atoms[t]] += tones[t, HEIGHT]
        adam_step(columns, momentum, power, age, gradient, rate)
    return total


def learn(
    frames: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    n_frames: int,
    generator: np.random.Generator,
    *,
    n_instruments: int,
    n_harmonics: int,
    config: LearningConfig,
    pursuit: PursuitConfig,
    start: NDArray[np.float64] | None = None,
    state: Learned | None = None,
) -> Iterator[Learned]:
    """Yield the atoms after every renewal, and at the end.

    Args:
        frames: the spectra ``[n, f]`` of some frames ``[n]``.
        n_frames: that there are.
        generator: of the atoms and of the frames that are drawn.
        n_instruments: N.
        n_harmonics: of an atom.
        config: how it is learned.
        pursuit: how frames are taken apart.
        start: atoms to begin with, ``[i, h]``; the rest is drawn.
        state: one that was yielded, to go on from, with the generator as it was then.
    """
    n_atoms = config.atoms_per_instrument * n_instruments
    if state is None:
        columns = random_atoms(generator, n_atoms, n_harmonics)
        if start is not None:
            columns[: len(start)] = start
        state = Learned(0, AtomState.of(columns), math.nan)
    while state.iteration < config.iterations:
        n_drawn = min(RENEWAL_ITERATIONS, config.iterations - state.iteration)
        drawn = frames(generator.integers(n_frames, size=n_drawn))
        atoms = state.state.renewed(np.empty(0, np.int64), np.empty((0, n_harmonics)))
        distance = _learn_frames(
            drawn,
            atoms.columns,
            atoms.momentum,
            atoms.power,
            atoms.age,
            atoms.score,
            pursuit.tones_per_instrument,
            pursuit.acceptance,
            pursuit.n_steps,
            pursuit.tolerance,
            config.rate,
        )
        iteration = state.iteration + n_drawn
        if n_drawn == RENEWAL_ITERATIONS:
            chosen = least_used(atoms, n_atoms - n_instruments)
            atoms = atoms.renewed(chosen, random_atoms(generator, len(chosen), n_harmonics))
        state = Learned(iteration, atoms, distance)
        yield state


def dictionary_of(state: AtomState, n_instruments: int) -> NDArray[np.float64]:
    """Return the final dictionary, ``[i, h]``, each column's largest amplitude 1 where it is not 0.

    Departs from the paper in the scale, which the tones' heights take up: a dictionary is written
    and compared with a maximum of 1.
    """
    columns = most_used(state, n_instruments)
    largest = columns.max(1, keepdims=True)
    scaled: NDArray[np.float64] = np.divide(columns, largest, where=largest > 0, out=columns.copy())
    return scaled
