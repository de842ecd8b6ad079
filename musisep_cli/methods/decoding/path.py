"""Decoding: which tones sound and who plays them, decided over all frames at once.

A single frame leaves both open. Its most probable tones may be an octave off, and a network that
finds tones does not know who plays them. What speaks for a choice is added up as a cost
(``costs``): the network's own probability and how well the tones together explain the frame, and
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
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from musisep_cli.frames.framewise import Derived, Framewise, Together, excerpt, stretches
from musisep_cli.frames.spool import Spool
from musisep_cli.methods.decoding.costs import (
    Array,
    Candidates,
    Choice,
    Costs,
    DecodingConfig,
    Weighed,
)
from musisep_cli.methods.decoding.viterbi import cheapest_path

EXCERPT_STRETCHES, STRETCH_FRAMES = 8, 1024
"""The starts are tried on this much of a recording: 87 seconds, wherever it is longer."""
SAME = 0.98
"""Labels that agree in this share of all tones are not told apart."""
FRAMES_AT_ONCE = EXCERPT_STRETCHES * STRETCH_FRAMES
"""Most frames that are held in memory."""


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


def go_on() -> None:
    """Go on: nothing ends the work."""


def decode(
    candidates: Framewise[Candidates],
    config: DecodingConfig,
    seed: int,
    *,
    judge: Judge = least_cost,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = go_on,
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
    pause: Callable[[], None] = go_on,
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
        self.n_instruments = candidates[:1].pitch_semitones.shape[2]
        self.costs = Costs(config, self.n_instruments)
        self.assignments = self.costs.assignments
        self.blocks = list(stretches(self.n_frames, FRAMES_AT_ONCE))
        # The loudness-weighted mean loudness: rests, however many, do not lower it.
        squares, total = 0, 0
        for block in self.blocks:
            probable = candidates[block].loudness[:, 0]  # n, m
            squares, total = squares + (probable**2).sum(), total + probable.sum()
        loud = float(squares / max(float(total), 1e-12))
        self.frames = Derived(candidates, partial(Weighed.of, config=config, loud=loud))

    def starts(self, seed: int) -> list[Decoding]:
        """First labels: by pitch, then by likeness to the timbres of random loud frames."""
        generator = np.random.default_rng(seed)
        frames = self.frames[:]
        first = np.zeros(self.n_frames, np.int64)
        tones = [np.argsort(-frames.pitch[:, 0], axis=1)]
        weakest = frames.weights[:, 0].min(1)
        loud = np.flatnonzero(weakest >= np.quantile(weakest, 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            misfit = self.costs.of_timbres(frames, frames.timbres[frame, 0].astype(np.float64))
            tones.append(self.assignments[self.costs.by_assignment(misfit)[:, 0].argmin(1)])
        return [self._learn(first, choice) for choice in tones]

    def path_of_anyone(self) -> Decoding:
        """The cheapest path if all instruments were alike."""
        n_assignments = len(self.assignments)
        costs = partial(np.repeat, repeats=n_assignments, axis=-1)
        return self._cheapest(Derived(self.frames, lambda frames: costs(frames.evidence)))

    def path_of(self, known: Decoding, misfits: Framewise[Array]) -> Decoding:
        """As ``decode_again``."""

        def costs(block: tuple[Weighed, Array]) -> Array:
            frames, misfit = block
            harmonics = self.config.weight_harmonics * frames.say[:, None, None] * misfit
            total: Array = self.costs.of_states(frames, known) + harmonics.reshape(len(misfit), -1)
            return total

        return self._cheapest(Derived(Together(self.frames, misfits), costs))

    def settle(self, known: Decoding, rounds: int) -> Decoding:
        """Choose with what is known of the instruments and learn in turn, until nothing changes."""
        found = self._cheapest(Derived(self.frames, partial(self.costs.of_states, known=known)))
        for _ in range(rounds - 1):
            again = self._cheapest(Derived(self.frames, partial(self.costs.of_states, known=found)))
            changed = np.any(again.hypotheses != found.hypotheses) or np.any(
                again.tones != found.tones
            )
            found = again
            if not changed:
                break
        return found

    def _cheapest(self, costs: Framewise[Array]) -> Decoding:
        """The cheapest path for costs ``[n, p]``, and what the instruments are like on it."""
        with closing(self.scratch()) as before:
            path, cost = cheapest_path(costs, self._leaps, before)
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

    def _leaps(self, first: int, last: int) -> Array:
        """As ``viterbi.Transitions``: what the instruments' leaps cost."""
        self.pause()
        return self.costs.of_leaps(self.frames[first : last + 1])
