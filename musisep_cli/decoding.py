"""Decoding: which tones sound and who plays them, decided over all frames at once.

A single frame leaves both open. Its most probable tones may be an octave off, and a network that
finds tones does not know who plays them. What speaks for a choice is added up as a cost: the
network's own probability and how well the tones together explain the frame (``hypotheses``), and
for who plays what timbre (two instruments may be alike), register (lines cross) and continuity (all
notes change at once); each alone fails somewhere. The cheapest path through all frames is found by
Viterbi's algorithm. What the instruments are like (timbre, register) is learned from the path and
the path from it in turn.

Departs from the paper: there the network itself chooses the instrument, and every frame is decided
by itself; its Figure 6 shows a held note that jumps a fifth.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``i`` instruments (as
many), ``a`` assignments of tones to instruments, ``h`` harmonics; ``p = s a`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array: TypeAlias = NDArray[np.floating[Any]]
Choice: TypeAlias = NDArray[np.int64]
Transitions: TypeAlias = Callable[[int, int], Array]
"""Costs of going from every state of frames ``first`` to ``last`` (exclusive) to every state of the
next frame, ``[last - first, p before, p after]``."""

EXCERPT_STRETCHES, STRETCH_FRAMES = 8, 1024
"""The starts are tried on this much of a recording: 87 seconds, wherever it is longer."""
TRANSITIONS_AT_ONCE = 2_000_000
"""Transitions that are held in memory."""


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """Weights of what speaks for a tone, in units of one another."""

    enabled: bool = False
    """Whether tones are decoded over time and labelled, instead of by the policy frame by frame."""
    weight_probability: float = 0.1
    """Cost per nat of the network's log-probability."""
    weight_misfit: float = 10.0
    """Cost of a frame that its tones do not explain at all."""
    weight_timbre: float = 3.0
    """Cost of a tone whose timbre has nothing in common with the instrument's."""
    weight_register: float = 0.1
    """Cost of a tone one standard deviation from the instrument's mean pitch, times 2."""
    weight_rest: float = 1.5
    """Cost of an instrument that rests while others sound. A faint tone pays its share of it, or
    else a rest would always be cheaper than a tone that fits less than perfectly."""
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
    """Most rounds of choosing and learning per start."""
    final_rounds: int = 3
    """Most rounds on the whole recording, with all hypotheses."""


@dataclass(frozen=True)
class Candidates:
    """Hypotheses of every frame.

    Attributes:
        log_prob: ``[n, s]``.
        misfit: relative to the frame, ``[n, s]``.
        pitch_semitones: MIDI numbers, ``[n, s, m]``.
        loudness: 0 where there is no tone, ``[n, s, m]``.
        timbres: unit vectors of lifted harmonic amplitudes, or 0, ``[n, s, m, h]``.
    """

    log_prob: Array
    misfit: Array
    pitch_semitones: Array
    loudness: Array
    timbres: Array

    def only(self, hypotheses: Choice) -> Candidates:
        """With one hypothesis per frame, ``[n]``."""
        frames = np.arange(len(hypotheses))
        return self._each(lambda values: values[frames, hypotheses][:, None])

    def excerpt(self) -> Candidates:
        """Stretches from all over a long recording, enough to learn what the instruments are."""
        n_frames = len(self.log_prob)
        if n_frames <= EXCERPT_STRETCHES * STRETCH_FRAMES:
            return self
        starts = np.linspace(0, n_frames - STRETCH_FRAMES, EXCERPT_STRETCHES).astype(np.int64)
        frames = (starts[:, None] + np.arange(STRETCH_FRAMES)).ravel()
        return self._each(lambda values: values[frames])

    def _each(self, change: Callable[[Array], Array]) -> Candidates:
        return Candidates(*(change(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Decoding:
    """What was chosen, and what it says of the instruments.

    Attributes:
        hypotheses: the one chosen in every frame, ``[n]``.
        tones: which of its tones each instrument plays, ``[n, i]``; instrument 0 is the highest.
        timbres: unit vectors of lifted harmonic amplitudes, ``[i, h]``.
        register_semitones: mean pitch of every instrument, MIDI numbers, ``[i]``.
        spread_semitones: standard deviation of its pitch, ``[i]``.
        cost: of the path, the lower the better.
    """

    hypotheses: Choice
    tones: Choice
    timbres: Array
    register_semitones: Array
    spread_semitones: Array
    cost: float

    def ordered(self, instruments: Choice) -> Decoding:
        """With the instruments in another order, ``[i]``."""
        return replace(
            self,
            tones=self.tones[:, instruments],
            timbres=self.timbres[instruments],
            register_semitones=self.register_semitones[instruments],
            spread_semitones=self.spread_semitones[instruments],
        )


def decode(candidates: Candidates, config: DecodingConfig, seed: int) -> Decoding:
    """The cheapest path through all frames.

    First the path is chosen without knowing any instrument, then its tones are labelled from
    several starts, and from the best labels on both are chosen together.

    Args:
        candidates: hypotheses of every frame.
        config: weights.
        seed: of the random starts.
    """
    scene = _Scene(candidates, config)
    path = scene.path_of_anyone()
    excerpt = _Scene(candidates.only(path.hypotheses).excerpt(), config)
    settled = (excerpt.settle(start, config.rounds) for start in excerpt.starts(seed))
    labelled = min(settled, key=lambda found: found.cost)
    best = scene.settle(labelled, config.final_rounds)
    return best.ordered(np.argsort(-best.register_semitones))


def order_like(*, reference: Array, estimate: Array) -> Choice:
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
    order: Choice = columns
    return order


class _Scene:
    """All hypotheses of a recording, and the costs that do not change from round to round."""

    def __init__(self, candidates: Candidates, config: DecodingConfig) -> None:
        self.candidates, self.config = candidates, config
        self.pitch = candidates.pitch_semitones
        self.n_frames, self.n_hypotheses, self.n_instruments = self.pitch.shape
        self.assignments = np.array(list(permutations(range(self.n_instruments))))  # a, i
        probable = candidates.loudness[:, 0]  # n, m
        # The loudness-weighted mean loudness: rests, however many, do not lower it.
        loud = (probable**2).sum() / max(float(probable.sum()), 1e-12)
        level = candidates.loudness / max(float(loud), 1e-12)
        say = np.sqrt(np.minimum(level, 1.0))
        self.weights = np.where(level < config.faint, 0.0, say)  # n, s, m
        evidence = (
            config.weight_misfit * candidates.misfit
            - config.weight_probability * candidates.log_prob
        )
        evidence += config.weight_rest * (1 - self.weights).sum(2)
        self.evidence = say.max((1, 2))[:, None] * evidence  # n, s

    def starts(self, seed: int) -> list[Decoding]:
        """First labels: by pitch, then by likeness to the timbres of random loud frames."""
        generator = np.random.default_rng(seed)
        first = np.zeros(self.n_frames, np.int64)
        tones = [np.argsort(-self.pitch[:, 0], axis=1)]
        weakest = self.weights[:, 0].min(1)
        loud = np.flatnonzero(weakest >= np.quantile(weakest, 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            misfit = self._timbre_cost(self.candidates.timbres[frame, 0].astype(np.float64))
            tones.append(self.assignments[self._by_assignment(misfit)[:, 0].argmin(1)])
        return [self._learn(first, choice) for choice in tones]

    def path_of_anyone(self) -> Decoding:
        """The cheapest path if all instruments were alike."""
        costs = np.repeat(self.evidence[..., None], len(self.assignments), -1)
        return self._cheapest(costs)

    def settle(self, known: Decoding, rounds: int) -> Decoding:
        """Choose with what is known of the instruments and learn in turn, until nothing changes."""
        found = self._cheapest(self._costs(known))
        for _ in range(rounds - 1):
            again = self._cheapest(self._costs(found))
            changed = np.any(again.hypotheses != found.hypotheses) or np.any(
                again.tones != found.tones
            )
            found = again
            if not changed:
                break
        return found

    def _costs(self, known: Decoding) -> Array:
        """Of every hypothesis and assignment, if the instruments are as known, ``[n, s, a]``."""
        config = self.config
        mean, spread = known.register_semitones, known.spread_semitones
        deviation = (self.pitch[..., None] - mean) / spread  # n, s, m, i
        register = np.minimum(0.5 * deviation**2 + np.log(spread), 8.0)
        cost = self._timbre_cost(known.timbres) + config.weight_register * register
        by_assignment = self._by_assignment(self.weights[..., None] * cost)
        costs: Array = by_assignment + self.evidence[..., None]
        return costs

    def _cheapest(self, costs: Array) -> Decoding:
        """The cheapest path for costs ``[n, s, a]``, and what the instruments are like on it."""
        path, cost = cheapest_path(costs.reshape(self.n_frames, -1), self._transitions)
        hypotheses, assignment = np.divmod(path, len(self.assignments))
        return replace(self._learn(hypotheses, self.assignments[assignment]), cost=cost)

    def _learn(self, hypotheses: Choice, tones: Choice) -> Decoding:
        """Timbre and register of every instrument from what it plays."""
        weights, pitch = (self._played(v, hypotheses, tones) for v in (self.weights, self.pitch))
        total = np.maximum(weights.sum(0), 1e-12)
        mean = (weights * pitch).sum(0) / total
        spread = np.sqrt((weights * (pitch - mean) ** 2).sum(0) / total)
        timbres = np.zeros((self.n_instruments, self.candidates.timbres.shape[-1]))
        for instrument in range(self.n_instruments):
            chosen = np.arange(self.n_frames), hypotheses, tones[:, instrument]
            timbres[instrument] = weights[:, instrument] @ self.candidates.timbres[chosen]
        timbres /= np.maximum(np.linalg.norm(timbres, axis=-1, keepdims=True), 1e-12)
        return Decoding(
            hypotheses=hypotheses,
            tones=tones,
            timbres=timbres,
            register_semitones=mean,
            spread_semitones=np.maximum(spread, self.config.min_register_semitones),
            cost=np.inf,
        )

    def _played(self, values: Array, hypotheses: Choice, tones: Choice) -> Array:
        """Values ``[n, s, m]`` of the tones that the instruments play, ``[n, i]``."""
        of_frame = values[np.arange(self.n_frames), hypotheses]
        played: Array = np.take_along_axis(of_frame, tones, 1)
        return played

    def _timbre_cost(self, timbres: Array) -> Array:
        """Weighted squared sine between the timbres of tones and instruments, ``[n, s, m, i]``."""
        columns = timbres.T.astype(np.float32)
        cosine = np.empty((*self.pitch.shape, self.n_instruments), np.float32)
        for first in range(0, self.n_frames, STRETCH_FRAMES):  # half-precision numbers in memory
            block = slice(first, first + STRETCH_FRAMES)
            cosine[block] = self.candidates.timbres[block].astype(np.float32) @ columns
        cost: Array = self.config.weight_timbre * (1 - cosine**2)
        return cost

    def _by_assignment(self, cost: Array) -> Array:
        """Cost of every assignment, ``[n, s, a]``, from that of tone and instrument."""
        total = np.zeros((*cost.shape[:2], len(self.assignments)), np.float32)
        for instrument, tones in enumerate(self.assignments.T):
            total += cost[:, :, tones, instrument]
        return total

    def _transitions(self, first: int, last: int) -> Array:
        """As ``Transitions``: what the instruments' leaps cost."""
        config = self.config
        before, after = slice(first, last), slice(first + 1, last + 1)
        semitones = np.abs(
            self.pitch[before, :, :, None, None] - self.pitch[after, None, None, :, :]
        )  # n, s, m, s, m
        cost = np.minimum(np.log1p(semitones / config.leap_scale_semitones), config.leap_limit)
        heard = np.minimum(
            self.weights[before, :, :, None, None], self.weights[after, None, None, :, :]
        )
        cost = (config.weight_leap * cost * heard).astype(np.float32)
        n_assignments = len(self.assignments)
        total = np.zeros((last - first, *2 * (self.n_hypotheses, n_assignments)), np.float32)
        for tones in self.assignments.T:  # of one instrument
            total += cost[:, :, tones][..., tones]
        n_states = self.n_hypotheses * n_assignments
        return total.reshape(-1, n_states, n_states)


def cheapest_path(costs: Array, transitions: Transitions) -> tuple[Choice, float]:
    """Viterbi's algorithm: the sequence of states with the least sum of costs.

    Args:
        costs: of every state at every step, ``[n, p]``.
        transitions: of going from one state to another, block after block.

    Returns:
        States ``[n]``, and their cost.

    >>> costs = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> stay = 2.0 * (1 - np.eye(2))
    >>> path, cost = cheapest_path(costs, lambda first, last: np.stack([stay] * (last - first)))
    >>> path.tolist(), cost
    ([0, 0, 0], 1.0)
    """
    n_steps, n_states = costs.shape
    before = np.zeros((n_steps, n_states), np.int32)
    least = costs[0]
    block = max(1, TRANSITIONS_AT_ONCE // n_states**2)
    for first in range(0, n_steps - 1, block):
        last = min(first + block, n_steps - 1)
        for step, transition in enumerate(transitions(first, last), first + 1):
            reached = least[:, None] + transition
            before[step] = reached.argmin(0)
            least = reached.min(0) + costs[step]
    path = np.zeros(n_steps, np.int64)
    path[-1] = least.argmin()
    for step in range(n_steps - 1, 0, -1):
        path[step - 1] = before[step, path[step]]
    return path, float(least.min())
