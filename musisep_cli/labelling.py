"""Labelling: which instrument plays which of the tones that were found (not in the paper).

A network that finds tones without knowing who plays them leaves one question open per frame. Three
cues answer it, and each alone fails somewhere: timbre (two instruments may be alike), register
(lines cross) and continuity (all notes change at once). They are added as costs, and the cheapest
path through all frames is found by Viterbi's algorithm; what the instruments are like (timbre,
register) is learned from the labels and the labels from it in turn, from several starts.

Departs from the paper: there the network itself chooses the instrument.

Axes: ``n`` frames, ``m`` tones of a frame, ``i`` instruments (as many), ``p`` assignments,
``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
"""Which tone each instrument plays, ``[n, i]``."""


LEAPS_AT_ONCE = 1 << 25
"""Numbers: 128 MB of them."""


@dataclass(frozen=True, kw_only=True)
class LabellingConfig:
    """Weights of the cues, in units of one another."""

    enabled: bool = False
    """Whether tones are labelled before and after training, instead of by the policy alone."""
    weight_timbre: float = 1.0
    """Cost of a tone whose timbre has nothing in common with the instrument's."""
    weight_register: float = 0.05
    """Cost of a tone one standard deviation from the instrument's mean pitch, times 2."""
    weight_leap: float = 0.5
    """Cost of a leap is this times log(1 + semitones / leap_scale), at most leap_limit."""
    leap_scale_semitones: float = 0.5
    leap_limit: float = 3.0
    min_register_semitones: float = 2.0
    """No register is learned narrower than this."""
    faint: float = 0.01
    """A tone fainter than this share of the usual loud one has no say."""
    starts: int = 12
    """The first start is by pitch, the others by the timbres of one random frame each."""
    rounds: int = 12
    """Most rounds of labelling and learning per start."""


@dataclass(frozen=True)
class Labelling:
    """Labels, and what they say of the instruments.

    Attributes:
        labels: which tone each instrument plays, ``[n, i]``; instrument 0 is the highest.
        timbres: unit vectors of lifted harmonic amplitudes, ``[i, h]``.
        register_semitones: mean pitch of every instrument, MIDI numbers, ``[i]``.
        cost: of the path, the lower the better.
    """

    labels: Labels
    timbres: Array
    register_semitones: Array
    cost: float


def label_tones(
    pitch_semitones: Array, magnitudes: Array, config: LabellingConfig, seed: int
) -> Labelling:
    """The cheapest labelling of all frames.

    Args:
        pitch_semitones: ``[n, m]``.
        magnitudes: absolute harmonic amplitudes, ``[n, m, h]``.
        config: weights.
        seed: of the random starts.

    Returns:
        The best of all starts.
    """
    scene = _Scene(pitch_semitones, magnitudes, config)
    best = min((scene.settle(start) for start in scene.starts(seed)), key=lambda found: found.cost)
    highest_first = np.argsort(-best.register_semitones)
    return Labelling(
        labels=best.labels[:, highest_first],
        timbres=best.timbres[highest_first],
        register_semitones=best.register_semitones[highest_first],
        cost=best.cost,
    )


def order_like(*, reference: Array, estimate: Array) -> Labels:
    """Where each reference timbre is found among the estimates, ``[i]``: the best match of all.

    Args:
        reference: timbres ``[i, h]``, any positive length.
        estimate: as many.
    """

    def unit(timbres: Array) -> Array:
        norms = np.linalg.norm(timbres, axis=1, keepdims=True)
        vectors: Array = timbres / np.maximum(norms, 1e-12)
        return vectors

    likeness = unit(reference) @ unit(estimate).T
    _, columns = linear_sum_assignment(likeness, maximize=True)
    order: Labels = columns
    return order


class _Scene:
    """All tones of a recording, and the costs that do not change from round to round."""

    def __init__(self, pitch: Array, magnitudes: Array, config: LabellingConfig) -> None:
        self.config = config
        self.pitch = pitch
        self.assignments = np.array(list(permutations(range(pitch.shape[1]))))  # p, i
        lifted = np.sqrt(magnitudes)
        norms = np.linalg.norm(lifted, axis=-1, keepdims=True)
        self.timbres = lifted / np.maximum(norms, 1e-12)  # n, m, h
        loudness = magnitudes.sum(-1)
        # The loudness-weighted mean loudness: rests, however many, do not lower it.
        loud = (loudness**2).sum() / max(float(loudness.sum()), 1e-12)
        level = loudness / max(float(loud), 1e-12)
        self.weights = np.where(level < config.faint, 0.0, np.sqrt(np.minimum(level, 1.0)))  # n, m
        # The last block is kept: most recordings have but one, which is wanted in every round.
        self._leaps_of = lru_cache(maxsize=1)(self._leaps)

    def leaps(self) -> Iterator[Array]:
        """Cost of going from one assignment to another, ``[p before, p after]``, n - 1 times.

        All at once they would be 20 GB for an hour of five instruments.
        """
        size = max(1, LEAPS_AT_ONCE // len(self.assignments) ** 2)
        for start in range(0, len(self.pitch) - 1, size):
            yield from self._leaps_of(start, min(start + size, len(self.pitch) - 1))

    def _leaps(self, start: int, end: int) -> Array:
        """Some of ``leaps``, ``[n, p before, p after]``."""
        config = self.config
        before, after = slice(start, end), slice(start + 1, end + 1)
        semitones = np.abs(self.pitch[after, :, None] - self.pitch[before, None, :])
        cost = np.minimum(np.log1p(semitones / config.leap_scale_semitones), config.leap_limit)
        heard = np.minimum(self.weights[after, :, None], self.weights[before, None])
        cost *= config.weight_leap * heard
        n_assignments = len(self.assignments)
        total = np.zeros((len(cost), n_assignments, n_assignments), np.float32)
        for tones in self.assignments.T:  # of one instrument
            total += cost[:, tones[None, :], tones[:, None]]
        return total

    def starts(self, seed: int) -> list[Labels]:
        """First labels: by pitch, then by likeness to the timbres of random loud frames."""
        generator = np.random.default_rng(seed)
        labels = [np.argsort(-self.pitch, axis=1)]
        loud = np.flatnonzero(self.weights.min(1) >= np.quantile(self.weights.min(1), 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            misfit = self._timbre_cost(self.timbres[frame])
            labels.append(self.assignments[self._by_assignment(misfit).argmin(1)])
        return labels

    def settle(self, labels: Labels) -> Labelling:
        """Learn and label in turn, until nothing changes."""
        found = self._label(labels)
        for _ in range(self.config.rounds - 1):
            again = self._label(found.labels)
            if not np.any(again.labels != found.labels):
                break
            found = again
        return found

    def _label(self, labels: Labels) -> Labelling:
        """Instruments as the labels have them, and the cheapest path for these instruments."""
        config = self.config
        weights = np.take_along_axis(self.weights, labels, 1)  # n, i
        total = np.maximum(weights.sum(0), 1e-12)
        pitch = np.take_along_axis(self.pitch, labels, 1)
        mean = (weights * pitch).sum(0) / total
        spread = np.sqrt((weights * (pitch - mean) ** 2).sum(0) / total)
        spread = np.maximum(spread, config.min_register_semitones)
        tones = np.take_along_axis(self.timbres, labels[..., None], 1)  # n, i, h
        timbres = (weights[..., None] * tones).sum(0)
        timbres /= np.maximum(np.linalg.norm(timbres, axis=-1, keepdims=True), 1e-12)

        deviation = (self.pitch[..., None] - mean) / spread  # n, m, i
        register = np.minimum(0.5 * deviation**2 + np.log(spread), 8.0)
        cost = self._timbre_cost(timbres) + config.weight_register * register
        path, path_cost = cheapest_path(
            self._by_assignment(self.weights[..., None] * cost), self.leaps()
        )
        return Labelling(self.assignments[path], timbres, mean, path_cost)

    def _timbre_cost(self, timbres: Array) -> Array:
        """Weighted squared sine between the timbres of tones and instruments, ``[n, m, i]``."""
        cosine = np.einsum("nmh,ih->nmi", self.timbres, timbres)
        cost: Array = self.config.weight_timbre * (1 - cosine**2)
        return cost

    def _by_assignment(self, cost: Array) -> Array:
        """Cost of every assignment of a frame, ``[n, p]``, from that of tone and instrument."""
        total = np.zeros((len(cost), len(self.assignments)))
        for instrument, tones in enumerate(self.assignments.T):
            total += cost[:, tones, instrument]
        return total


def cheapest_path(costs: Array, transitions: Iterable[Array]) -> tuple[NDArray[np.int64], float]:
    """Viterbi's algorithm: the sequence of states with the least sum of costs.

    Args:
        costs: of every state at every step, ``[n, p]``.
        transitions: of going from one state to another, ``[p before, p after]``, n - 1 of them.

    Returns:
        States ``[n]``, and their cost.

    >>> costs = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> cheapest_path(costs, np.full((2, 2, 2), 2.0) * (1 - np.eye(2)))[0].tolist()
    [0, 0, 0]
    """
    n_steps, n_states = costs.shape
    before = np.zeros((n_steps, n_states), np.int32)
    least = costs[0]
    for step, transition in enumerate(transitions, start=1):
        reached = least[:, None] + transition
        before[step] = reached.argmin(0)
        least = reached.min(0) + costs[step]
    path = np.zeros(n_steps, np.int64)
    path[-1] = least.argmin()
    for step in range(n_steps - 1, 0, -1):
        path[step - 1] = before[step, path[step]]
    return path, float(least.min())
