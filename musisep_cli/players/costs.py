"""Costs: what speaks against the tones of a frame, and against who plays them.

A hypothesis has a cost of its own, whoever plays it: that the network thinks it improbable, that
its tones do not explain the frame, that instruments rest. An assignment of its tones to instruments
adds the costs of timbre and register, and a step from frame to frame the cost of leaps. A tone has
the more say the louder it is: w = min(1, sqrt(x)) at the level x relative to the usual one, and 0
where it is faint. The costs are

    evidence = max_m w_m (weight_misfit misfit - weight_probability log_prob
                          + weight_rest sum_m (1 - w_m)),                                       (1)
    timbre   = weight_timbre (1 - cos^2 between the timbres of tone and instrument),            (2)
    register = weight_register min(d^2 / 2 + log(spread), 8),  d = (pitch - mean) / spread,     (3)
    state    = evidence + sum_m w_m (timbre + register),                                        (4)
    leap     = weight_leap sum_i min(w, w') min(log(1 + semitones / leap_scale), leap_limit).   (5)

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``i`` instruments (as
many), ``a`` assignments of tones to instruments, ``h`` harmonics, those of all channels in a row;
``p = s a`` states of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.frames.framewise import FrameRows

Array: TypeAlias = NDArray[np.floating[Any]]
Choice: TypeAlias = NDArray[np.int64]

MOST_REGISTER = 8.0
"""Most that (3) counts before its weight: a few notes far from the register are allowed."""
TINY = 1e-12
"""Least loudness by which anything is divided."""


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """Weights of the costs, relative to each other, and how long is searched."""

    over_time: bool = True
    """Whether what an instrument plays in the frames before and after has a say. Without, every
    frame is decided by itself, by the same instruments."""
    weight_probability: float = 0.1
    """Cost per nat of the network's log-probability."""
    weight_misfit: float = 10.0
    """Cost of a frame that its tones do not explain at all."""
    weight_timbre: float = 3.0
    """Cost of a tone whose timbre has nothing in common with the instrument's."""
    weight_harmonics: float = field(default=5.0, metadata={"least": 0})
    """Cost of a frame whose harmonics have nothing in common with what the instruments' timbres at
    these pitches give: when it is decoded again, with the timbres learned; 0 decodes once."""
    weight_register: float = 0.1
    """Weight of (3): half of it is the cost of a tone one standard deviation from the instrument's
    mean pitch."""
    weight_rest: float = 1.5
    """Cost of an instrument that rests while others sound. A faint tone pays its share of it, or
    else a rest would always be cheaper than a tone that fits less than perfectly."""
    weight_leap: float = 0.5
    """Cost of a leap, times log(1 + semitones / leap_scale_semitones)."""
    leap_scale_semitones: float = 0.5
    """Semitones from which on a leap costs by its logarithm: a vibrato costs little."""
    leap_limit: float = 3.0
    """Most that the logarithm of a leap counts: it may go anywhere in the end."""
    min_register_semitones: float = 2.0
    """Least standard deviation of an instrument's pitch that is learned, in semitones."""
    note_reach: int = field(default=4, metadata={"least": 0})
    """Number of frames to both sides from which a note that an instrument ends or begins sounds
    into a frame, besides the frame's own. 0 leaves one tone to an instrument at any time."""
    places: bool = True
    """Whether an instrument is known by its timbre in every channel, and so by where it sounds, or
    by the timbre in the mean of the channels."""
    least_own: float = field(default=0.0, metadata={"least": 0, "most": 1})
    """Least share of the frames of a stretch in which the last instrument's tone is one of its own
    (``worth``); instruments with less get no notes. 0: all get notes."""
    faint: float = 0.01
    """Share of the usual loudness below which a tone has no say."""
    starts: int = 12
    """Number of first assignments of tones to instruments that are tried: one by pitch, the others
    by the timbres of one random frame each."""
    judged: int = 8
    """Most decodings, of those that the starts lead to, that are compared by the timbres at all
    pitches that follow from them. 1: the one with the least cost is taken."""
    rounds: int = 12
    """Most rounds of choosing and learning from each start."""
    final_rounds: int = 3
    """Most rounds on the whole recording, with all hypotheses."""


@dataclass(frozen=True)
class Candidates(FrameRows):
    """Hypotheses of some frames, as they are decoded.

    Attributes:
        log_prob: log-probability under the network, in nats, ``[n, s]``.
        misfit: how badly the tones explain the frame, from 0 to about 1, ``[n, s]``.
        pitch_semitones: MIDI numbers, ``[n, s, m]``.
        loudness: sum of the harmonics' magnitudes, 0 where there is no tone, ``[n, s, m]``.
        timbres: unit vectors of lifted harmonic amplitudes, or 0, ``[n, s, m, h]``.
    """

    log_prob: Array
    misfit: Array
    pitch_semitones: Array
    loudness: Array
    timbres: Array


class Instruments(Protocol):
    """What is known of the instruments, as ``path.Decoding`` has it."""

    @property
    def timbres(self) -> Array:
        """Unit vectors of lifted harmonic amplitudes, ``[i, h]``."""

    @property
    def register_semitones(self) -> Array:
        """Mean pitch, MIDI numbers, ``[i]``."""

    @property
    def spread_semitones(self) -> Array:
        """Standard deviation of the pitch, ``[i]``."""


def assignments(n_instruments: int) -> Choice:
    """Return every way to assign tones to instruments: the tone of each instrument, ``[a, i]``."""
    return np.array(list(permutations(range(n_instruments))))


@dataclass(frozen=True)
class Weighed:
    """Hypotheses of some frames, and the costs that do not change from round to round.

    Attributes:
        pitch: MIDI numbers, ``[n, s, m]``.
        timbres: ``[n, s, m, h]``.
        weights: w, how much say a tone has, from 0 to 1, ``[n, s, m]``.
        say: how much say the frame has, that of its loudest tone, ``[n]``.
        evidence: (1), the cost of the hypotheses whoever plays them, ``[n, s]``.
    """

    pitch: Array
    timbres: Array
    weights: Array
    say: Array
    evidence: Array

    @classmethod
    def of(cls, candidates: Candidates, config: DecodingConfig, loud: float) -> Weighed:
        """Return hypotheses weighed by how loud a tone usually is.

        Args:
            candidates: the hypotheses.
            config: weights.
            loud: the usual loudness.
        """
        level = candidates.loudness / max(loud, TINY)
        say = np.sqrt(np.minimum(level, 1.0))
        weights = np.where(level < config.faint, 0.0, say)
        evidence = (
            config.weight_misfit * candidates.misfit
            - config.weight_probability * candidates.log_prob
        )
        evidence += config.weight_rest * (1 - weights).sum(2)
        return cls(
            pitch=candidates.pitch_semitones,
            timbres=candidates.timbres,
            weights=weights,
            say=say.max((1, 2)),
            evidence=say.max((1, 2))[:, None] * evidence,  # (1)
        )


class Costs:
    """The costs that are added up along a path.

    Args:
        config: weights.
        n_instruments: number of instruments.
    """

    def __init__(self, config: DecodingConfig, n_instruments: int) -> None:
        self.config, self.assignments = config, assignments(n_instruments)

    def of_states(self, frames: Weighed, instruments: Instruments) -> Array:
        """Return (4) of every hypothesis and assignment, ``[n, p]``.

        Args:
            frames: the hypotheses.
            instruments: what is known of them.
        """
        config = self.config
        mean, spread = instruments.register_semitones, instruments.spread_semitones
        deviation = (frames.pitch[..., None] - mean) / spread  # n, s, m, i
        register = np.minimum(0.5 * deviation**2 + np.log(spread), MOST_REGISTER)  # (3)
        cost = self.of_timbres(frames, instruments.timbres) + config.weight_register * register
        by_assignment = self.by_assignment(frames.weights[..., None] * cost)
        costs: Array = by_assignment + frames.evidence[..., None]  # (4)
        return costs.reshape(len(costs), -1)

    def of_timbres(self, frames: Weighed, timbres: Array) -> Array:
        """Return (2), between timbres of tones and instruments ``[i, h]``, ``[n, s, m, i]``."""
        cosine = frames.timbres @ timbres.T.astype(frames.timbres.dtype)
        cost: Array = self.config.weight_timbre * (1 - cosine**2)  # (2)
        return cost

    def by_assignment(self, cost: Array) -> Array:
        """Return the cost of every assignment ``[n, s, a]``, from ``cost [n, s, m, i]``."""
        total = np.zeros((*cost.shape[:2], len(self.assignments)), np.float32)
        for instrument, tones in enumerate(self.assignments.T):
            total += cost[:, :, tones, instrument]
        return total

    def of_leaps(self, frames: Weighed) -> Array:
        """Return (5), from every state of a frame to every one of the next, ``[n - 1, p, p]``."""
        config, pitch, weights = self.config, frames.pitch, frames.weights
        if not config.over_time:
            n_states = pitch.shape[1] * len(self.assignments)
            return np.zeros((len(pitch) - 1, n_states, n_states), np.float32)
        semitones = np.abs(pitch[:-1, :, :, None, None] - pitch[1:, None, None])  # n, s, m, s, m
        cost = np.minimum(np.log1p(semitones / config.leap_scale_semitones), config.leap_limit)
        # A leap to or from a tone that is hardly heard costs little.
        heard = np.minimum(weights[:-1, :, :, None, None], weights[1:, None, None])
        cost = (config.weight_leap * cost * heard).astype(np.float32)  # (5) of two tones
        n_hypotheses, n_assignments = pitch.shape[1], len(self.assignments)
        total = np.zeros((len(cost), *2 * (n_hypotheses, n_assignments)), np.float32)
        for tones in self.assignments.T:  # one instrument's tone in every assignment
            total += cost[:, :, tones][..., tones]
        n_states = n_hypotheses * n_assignments
        return total.reshape(-1, n_states, n_states)
