"""Costs: what speaks for the tones of a frame, and for who plays them.

The network's own probability and how well the tones together explain the frame speak for a
hypothesis, whoever plays it; timbre, register and continuity for an assignment of its tones to
instruments. All are added up, weighted by how loud a tone is.

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


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """Weights of what speaks for a tone, in units of one another, and how long is searched."""

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
    note_reach: int = field(default=4, metadata={"least": 0})
    """A note that an instrument ends or begins within so many frames sounds besides the frame's
    own. 0 leaves one tone to an instrument at any time."""
    places: bool = True
    """Whether an instrument is known by its timbre in every channel, hence by where it sounds, or
    by that in their mean."""
    faint: float = 0.01
    """A tone fainter than this share of the usual loud one has no say."""
    starts: int = 12
    """The first start is by pitch, the others by the timbres of one random frame each."""
    judged: int = 8
    """Most labels, of those that the starts lead to, that are compared by the timbres that follow
    from them at all pitches. 1: the labels with the least cost are taken."""
    rounds: int = 12
    """Most rounds of choosing and learning per start."""
    final_rounds: int = 3
    """Most rounds on the whole recording, with all hypotheses."""


@dataclass(frozen=True)
class Candidates(FrameRows):
    """Hypotheses of some frames.

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


class Instruments(Protocol):
    """What is known of the instruments, as of ``decoding.Decoding``."""

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
    """Which of the tones each instrument plays, in every possible way, ``[a, i]``."""
    return np.array(list(permutations(range(n_instruments))))


@dataclass(frozen=True)
class Weighed:
    """Hypotheses of some frames, and the costs that do not change from round to round.

    Attributes:
        pitch: MIDI numbers, ``[n, s, m]``.
        timbres: ``[n, s, m, h]``.
        weights: how much say a tone has, from 0 to 1, ``[n, s, m]``.
        say: how much say the frame has, ``[n]``.
        evidence: cost of the hypotheses, whoever plays them, ``[n, s]``.
    """

    pitch: Array
    timbres: Array
    weights: Array
    say: Array
    evidence: Array

    @classmethod
    def of(cls, candidates: Candidates, config: DecodingConfig, loud: float) -> Weighed:
        """Weighed by how loud a tone usually is."""
        level = candidates.loudness / max(loud, 1e-12)
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
            evidence=say.max((1, 2))[:, None] * evidence,
        )


class Costs:
    """What is added up along a path.

    Args:
        config: weights.
        n_instruments: i.
    """

    def __init__(self, config: DecodingConfig, n_instruments: int) -> None:
        self.config, self.assignments = config, assignments(n_instruments)

    def of_states(self, frames: Weighed, known: Instruments) -> Array:
        """Of every hypothesis and assignment, if the instruments are as known, ``[n, p]``."""
        config = self.config
        mean, spread = known.register_semitones, known.spread_semitones
        deviation = (frames.pitch[..., None] - mean) / spread  # n, s, m, i
        register = np.minimum(0.5 * deviation**2 + np.log(spread), 8.0)
        cost = self.of_timbres(frames, known.timbres) + config.weight_register * register
        by_assignment = self.by_assignment(frames.weights[..., None] * cost)
        costs: Array = by_assignment + frames.evidence[..., None]
        return costs.reshape(len(costs), -1)

    def of_timbres(self, frames: Weighed, timbres: Array) -> Array:
        """Weighted squared sine between the timbres of tones and instruments, ``[n, s, m, i]``."""
        cosine = frames.timbres @ timbres.T.astype(frames.timbres.dtype)
        cost: Array = self.config.weight_timbre * (1 - cosine**2)
        return cost

    def by_assignment(self, cost: Array) -> Array:
        """Cost of every assignment, ``[n, s, a]``, from that of tone and instrument."""
        total = np.zeros((*cost.shape[:2], len(self.assignments)), np.float32)
        for instrument, tones in enumerate(self.assignments.T):
            total += cost[:, :, tones, instrument]
        return total

    def of_leaps(self, frames: Weighed) -> Array:
        """Of going from every state of a frame to every one of the next, ``[n - 1, p, p]``."""
        config, pitch, weights = self.config, frames.pitch, frames.weights
        semitones = np.abs(pitch[:-1, :, :, None, None] - pitch[1:, None, None])  # n, s, m, s, m
        cost = np.minimum(np.log1p(semitones / config.leap_scale_semitones), config.leap_limit)
        heard = np.minimum(weights[:-1, :, :, None, None], weights[1:, None, None])
        cost = (config.weight_leap * cost * heard).astype(np.float32)
        n_hypotheses, n_assignments = pitch.shape[1], len(self.assignments)
        total = np.zeros((len(cost), *2 * (n_hypotheses, n_assignments)), np.float32)
        for tones in self.assignments.T:  # of one instrument
            total += cost[:, :, tones][..., tones]
        n_states = n_hypotheses * n_assignments
        return total.reshape(-1, n_states, n_states)
