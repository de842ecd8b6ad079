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
many), ``a`` assignments of tones to instruments, ``h`` harmonics, those of all channels in a row;
``p = s a`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from musisep_cli.framewise import Derived, FrameRows, Framewise, Together, excerpt, stretches
from musisep_cli.spool import Spool
from musisep_cli.viterbi import cheapest_path

Array: TypeAlias = NDArray[np.floating[Any]]
Choice: TypeAlias = NDArray[np.int64]

EXCERPT_STRETCHES, STRETCH_FRAMES = 8, 1024
"""The starts are tried on this much of a recording: 87 seconds, wherever it is longer."""
SAME = 0.98
"""Labels that agree in this share of all tones are not told apart."""
FRAMES_AT_ONCE = EXCERPT_STRETCHES * STRETCH_FRAMES
"""Most frames that are held in memory."""


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
    weight_harmonics: float = 5.0
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
    note_reach: int = 4
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


@dataclass(frozen=True)
class Excerpt:
    """Stretches from all over a long recording, enough to learn what the instruments are.

    Attributes:
        parts: the stretches.
        hypotheses: the only ones that are wanted, of all frames of the recording, ``[n]``.
    """

    parts: list[slice]
    hypotheses: Choice

    @classmethod
    def of(cls, hypotheses: Choice) -> Excerpt:
        """Of a recording in which these were chosen."""
        return cls(excerpt(len(hypotheses), EXCERPT_STRETCHES, STRETCH_FRAMES), hypotheses)

    def candidates(self, candidates: Framewise[Candidates]) -> Candidates:
        """The excerpt of all candidates, in memory."""
        chosen = [candidates[part].only(self.hypotheses[part]) for part in self.parts]
        names = (field.name for field in fields(Candidates))
        return Candidates(*(np.concatenate([getattr(c, name) for c in chosen]) for name in names))


Judge: TypeAlias = Callable[[Excerpt, Sequence[Decoding]], Decoding]
"""Takes one of several decodings of an excerpt, that with the least cost first."""


def least_cost(_excerpt: Excerpt, labelled: Sequence[Decoding]) -> Decoding:
    """Takes the first."""
    return labelled[0]


def _go_on() -> None:
    """Nothing ends the work."""


def decode(
    candidates: Framewise[Candidates],
    config: DecodingConfig,
    seed: int,
    *,
    judge: Judge = least_cost,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = _go_on,
) -> Decoding:
    """The cheapest path through all frames.

    First the path is chosen without knowing any instrument, then its tones are labelled from
    several starts, and from the best labels on both are chosen together.

    Args:
        candidates: hypotheses of every frame.
        config: weights.
        seed: of the random starts.
        judge: says which labels are the best, where the starts lead to different ones.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block; may raise to end the work.

    Returns:
        The path, instrument 0 the highest.

    Raises:
        OutputError: the disk is full.
    """
    scene = _Scene(candidates, config, scratch, pause)
    part = Excerpt.of(scene.path_of_anyone().hypotheses)
    of_part = _Scene(part.candidates(candidates), config, scratch, pause)
    settled = [of_part.settle(start, config.rounds) for start in of_part.starts(seed)]
    labelled = _distinct([_from_high_to_low(found) for found in settled])[: config.judged]
    known = judge(part, labelled) if len(labelled) > 1 else labelled[0]
    return _from_high_to_low(scene.settle(known, config.final_rounds))


def decode_again(
    candidates: Framewise[Candidates],
    known: Decoding,
    misfits: Framewise[Array],
    config: DecodingConfig,
    *,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = _go_on,
) -> Decoding:
    """The cheapest path where it is known how each instrument would sound at every pitch.

    Args:
        candidates: hypotheses of every frame.
        known: the instruments.
        misfits: of every hypothesis in every assignment of ``assignments``, ``[n, s, a]``.
        config: weights.
        scratch: as in ``decode``.
        pause: as in ``decode``.

    Returns:
        The path, with the instruments as before.

    Raises:
        OutputError: the disk is full.
    """
    return _Scene(candidates, config, scratch, pause).path_of(known, misfits)


def assignments(n_instruments: int) -> Choice:
    """Which of the tones each instrument plays, in every possible way, ``[a, i]``."""
    return np.array(list(permutations(range(n_instruments))))


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


def _from_high_to_low(found: Decoding) -> Decoding:
    """With instrument 0 the highest."""
    return found.ordered(np.argsort(-found.register_semitones))


def _distinct(labelled: Iterable[Decoding]) -> list[Decoding]:
    """Those that are not the same, the one with the least cost first."""
    kept: list[Decoding] = []
    for found in sorted(labelled, key=lambda decoding: decoding.cost):
        if all((found.tones == other.tones).mean() < SAME for other in kept):
            kept.append(found)
    return kept


@dataclass(frozen=True)
class _Weighed:
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
    def of(cls, candidates: Candidates, config: DecodingConfig, loud: float) -> _Weighed:
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


class _Scene:
    """All hypotheses of a recording: wherever they are kept, a block of frames at a time."""

    def __init__(
        self,
        candidates: Framewise[Candidates],
        config: DecodingConfig,
        scratch: Callable[[], Spool],
        pause: Callable[[], None],
    ) -> None:
        self.config, self.scratch, self.pause = config, scratch, pause
        self.n_frames = len(candidates)
        _, self.n_hypotheses, self.n_instruments = candidates[:1].pitch_semitones.shape
        self.assignments = assignments(self.n_instruments)
        self.blocks = list(stretches(self.n_frames, FRAMES_AT_ONCE))
        # The loudness-weighted mean loudness: rests, however many, do not lower it.
        squares, total = 0, 0
        for block in self.blocks:
            probable = candidates[block].loudness[:, 0]  # n, m
            squares, total = squares + (probable**2).sum(), total + probable.sum()
        loud = float(squares / max(float(total), 1e-12))
        self.frames = Derived(candidates, partial(_Weighed.of, config=config, loud=loud))

    def starts(self, seed: int) -> list[Decoding]:
        """First labels: by pitch, then by likeness to the timbres of random loud frames."""
        generator = np.random.default_rng(seed)
        frames = self.frames[:]
        first = np.zeros(self.n_frames, np.int64)
        tones = [np.argsort(-frames.pitch[:, 0], axis=1)]
        weakest = frames.weights[:, 0].min(1)
        loud = np.flatnonzero(weakest >= np.quantile(weakest, 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            misfit = self._timbre_cost(frames, frames.timbres[frame, 0].astype(np.float64))
            tones.append(self.assignments[self._by_assignment(misfit)[:, 0].argmin(1)])
        return [self._learn(first, choice) for choice in tones]

    def path_of_anyone(self) -> Decoding:
        """The cheapest path if all instruments were alike."""
        n_assignments = len(self.assignments)
        costs = partial(np.repeat, repeats=n_assignments, axis=-1)
        return self._cheapest(Derived(self.frames, lambda frames: costs(frames.evidence)))

    def path_of(self, known: Decoding, misfits: Framewise[Array]) -> Decoding:
        """As ``decode_again``."""

        def costs(block: tuple[_Weighed, Array]) -> Array:
            frames, misfit = block
            harmonics = self.config.weight_harmonics * frames.say[:, None, None] * misfit
            total: Array = self._costs(frames, known) + harmonics.reshape(len(misfit), -1)
            return total

        return self._cheapest(Derived(Together(self.frames, misfits), costs))

    def settle(self, known: Decoding, rounds: int) -> Decoding:
        """Choose with what is known of the instruments and learn in turn, until nothing changes."""
        found = self._cheapest(Derived(self.frames, partial(self._costs, known=known)))
        for _ in range(rounds - 1):
            again = self._cheapest(Derived(self.frames, partial(self._costs, known=found)))
            changed = np.any(again.hypotheses != found.hypotheses) or np.any(
                again.tones != found.tones
            )
            found = again
            if not changed:
                break
        return found

    def _costs(self, frames: _Weighed, known: Decoding) -> Array:
        """Of every hypothesis and assignment, if the instruments are as known, ``[n, p]``."""
        config = self.config
        mean, spread = known.register_semitones, known.spread_semitones
        deviation = (frames.pitch[..., None] - mean) / spread  # n, s, m, i
        register = np.minimum(0.5 * deviation**2 + np.log(spread), 8.0)
        cost = self._timbre_cost(frames, known.timbres) + config.weight_register * register
        by_assignment = self._by_assignment(frames.weights[..., None] * cost)
        costs: Array = by_assignment + frames.evidence[..., None]
        return costs.reshape(len(costs), -1)

    def _cheapest(self, costs: Framewise[Array]) -> Decoding:
        """The cheapest path for costs ``[n, p]``, and what the instruments are like on it."""
        with closing(self.scratch()) as before:
            path, cost = cheapest_path(costs, self._transitions, before)
        hypotheses, assignment = np.divmod(path, len(self.assignments))
        return replace(self._learn(hypotheses, self.assignments[assignment]), cost=cost)

    def _learn(self, hypotheses: Choice, tones: Choice) -> Decoding:
        """Timbre and register of every instrument from what it plays."""
        played = [self._played(block, hypotheses[block], tones[block]) for block in self.blocks]
        weights, pitch = (np.concatenate([part[k] for part in played]) for k in range(2))
        total = np.maximum(weights.sum(0), 1e-12)
        mean = (weights * pitch).sum(0) / total
        spread = np.sqrt((weights * (pitch - mean) ** 2).sum(0) / total)
        timbres = sum((part[2] for part in played), np.float64(0))
        timbres = timbres / np.maximum(np.linalg.norm(timbres, axis=-1, keepdims=True), 1e-12)
        return Decoding(
            hypotheses=hypotheses,
            tones=tones,
            timbres=timbres,
            register_semitones=mean,
            spread_semitones=np.maximum(spread, self.config.min_register_semitones),
            cost=np.inf,
        )

    def _played(
        self, block: slice, hypotheses: Choice, tones: Choice
    ) -> tuple[Array, Array, Array]:
        """Weights and pitches ``[n, i]`` that the instruments play, sum of timbres ``[i, h]``."""
        self.pause()
        frames, rows = self.frames[block], np.arange(len(hypotheses))
        weights, pitch = (
            np.take_along_axis(values[rows, hypotheses], tones, 1)
            for values in (frames.weights, frames.pitch)
        )
        timbres = [
            weights[:, i] @ frames.timbres[rows, hypotheses, tones[:, i]]
            for i in range(self.n_instruments)
        ]
        return weights, pitch, np.stack(timbres).astype(np.float64)

    def _timbre_cost(self, frames: _Weighed, timbres: Array) -> Array:
        """Weighted squared sine between the timbres of tones and instruments, ``[n, s, m, i]``."""
        cosine = frames.timbres @ timbres.T.astype(frames.timbres.dtype)
        cost: Array = self.config.weight_timbre * (1 - cosine**2)
        return cost

    def _by_assignment(self, cost: Array) -> Array:
        """Cost of every assignment, ``[n, s, a]``, from that of tone and instrument."""
        total = np.zeros((*cost.shape[:2], len(self.assignments)), np.float32)
        for instrument, tones in enumerate(self.assignments.T):
            total += cost[:, :, tones, instrument]
        return total

    def _transitions(self, first: int, last: int) -> Array:
        """As ``viterbi.Transitions``: what the instruments' leaps cost."""
        self.pause()
        config, frames = self.config, self.frames[first : last + 1]
        pitch, weights = frames.pitch, frames.weights
        semitones = np.abs(pitch[:-1, :, :, None, None] - pitch[1:, None, None])  # n, s, m, s, m
        cost = np.minimum(np.log1p(semitones / config.leap_scale_semitones), config.leap_limit)
        heard = np.minimum(weights[:-1, :, :, None, None], weights[1:, None, None])
        cost = (config.weight_leap * cost * heard).astype(np.float32)
        n_assignments = len(self.assignments)
        total = np.zeros((last - first, *2 * (self.n_hypotheses, n_assignments)), np.float32)
        for tones in self.assignments.T:  # of one instrument
            total += cost[:, :, tones][..., tones]
        n_states = self.n_hypotheses * n_assignments
        return total.reshape(-1, n_states, n_states)
