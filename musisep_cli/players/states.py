"""States: the choices of tones and players that are followed from frame to frame.

With s hypotheses of a frame and a ways to share out their tones, there are s a states: 54 with two
instruments, a thousand with four, 5,000 with five. Most cost so much by themselves that no path
goes through them, so that only the cheapest are followed, ``DecodingConfig.states`` of a frame. The
cost of a path then grows with the number of instruments and no longer with its factorial.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``v`` voices (as
many), ``i`` instruments, ``a`` assignments, ``p`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.players.costs import DecodingConfig, Weighed, of_leaps, of_order, of_tones
from musisep_cli.players.instruments import Array, Choice, Instruments
from musisep_cli.players.voices import Voices

FIRST_KEPT = 4
"""How many times as many states are kept before the order has its say, which is slow to tell."""


@dataclass(frozen=True)
class States(FrameRows):
    """Some states of every one of some frames.

    Attributes:
        names: number of every state, ``hypothesis * n_assignments + assignment``, ``[n, p]``.
        costs: (6) of ``costs``, and what else was added, ``[n, p]``.
        pitch: what the voices play in it, MIDI numbers, ``[n, p, v]``.
        weights: how much say these tones have, ``[n, p, v]``.
    """

    names: Choice
    costs: Array
    pitch: Array
    weights: Array

    @classmethod
    def named(cls, frames: Weighed, voices: Voices, names: Choice, costs: Array) -> States:
        """Return the states of these names ``[n, p]`` and costs ``[n, p]``."""
        hypotheses, assignments = np.divmod(names, len(voices.assignments))
        rows = np.arange(len(names))[:, None, None]
        tones = voices.assignments[assignments]  # n, p, v
        index = (rows, hypotheses[..., None], tones)
        return cls(names, costs, frames.pitch[index], frames.weights[index])

    def cheapest(self, n_states: int) -> States:
        """Return the ``n_states`` of every frame that cost least, in the order of their names."""
        if self.names.shape[1] <= n_states:
            return self
        kept = _least(self.costs, n_states)
        rows = np.arange(len(kept))[:, None]
        return States(*(values[rows, kept] for values in vars(self).values()))

    def plus(self, costs: Array) -> States:
        """Return the states with further costs ``[n, p]``."""
        return replace(self, costs=self.costs + costs)


def states_of(
    frames: Weighed, instruments: Instruments, voices: Voices, config: DecodingConfig
) -> States:
    """Return the states of some frames that cost least.

    Args:
        frames: the hypotheses.
        instruments: what is known of them.
        voices: how many tones each plays at once.
        config: weights.
    """
    costs = by_assignment(of_tones(frames, instruments, config), voices)  # n, s, a
    costs = (costs + frames.evidence[..., None]).reshape(len(costs), -1)
    names = _least(costs, FIRST_KEPT * config.states)
    states = States.named(frames, voices, names, np.take_along_axis(costs, names, 1))
    order = of_order(states.pitch, states.weights, voices.players, instruments.above)
    # Every tone is in a pair with every other: it counts once, however many there are.
    trusted = config.weight_order * instruments.trust_in_lines / max(voices.n_voices - 1, 1)
    return states.plus(trusted * order).cheapest(config.states)


def by_assignment(cost: Array, voices: Voices) -> Array:
    """Return the cost of every assignment ``[n, s, a]``, from ``cost [n, s, m, i]``."""
    total = np.zeros((*cost.shape[:2], len(voices.assignments)), np.float32)
    for tones, player in zip(voices.assignments.T, voices.players, strict=True):
        total += cost[:, :, tones, player]
    return total


@dataclass(frozen=True)
class Stretch:
    """The states of consecutive frames, as ``viterbi.cheapest_path`` asks for them.

    Attributes:
        states: of the frames.
        players: which instrument has each voice, ``[v]``.
        config: weights.
        pause: called before the leaps are weighed; may raise to end the work.
    """

    states: States
    players: Choice
    config: DecodingConfig
    pause: Callable[[], None]

    @property
    def names(self) -> Choice:
        """Numbers of the states, ``[n, p]``."""
        return self.states.names

    @property
    def costs(self) -> Array:
        """Costs of the states, ``[n, p]``."""
        return self.states.costs

    @property
    def transitions(self) -> Array:
        """Costs of going from every state to every one of the next frame, ``[n - 1, p, p]``."""
        self.pause()
        return of_leaps(self.states.pitch, self.states.weights, self.config, self.players)


def _least(costs: Array, n_kept: int) -> Choice:
    """Return the numbers of the least ``n_kept`` of every row's costs ``[n, p]``, rising."""
    if costs.shape[1] <= n_kept:
        return np.broadcast_to(np.arange(costs.shape[1]), costs.shape)
    kept: Choice = np.argpartition(costs, n_kept - 1, axis=1)[:, :n_kept]
    kept.sort(axis=1)
    return kept
