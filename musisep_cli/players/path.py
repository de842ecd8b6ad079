"""Path: which tones sound and who plays them, decided over all frames at once.

A single frame leaves both open. Its most probable tones may be an octave off, and a network that
finds tones does not know who plays them. The evidence for a choice is added up as a cost
(``costs``): for the tones, the network's own probability and how well they explain the frame; for
who plays them, timbre, register and continuity. Each alone fails somewhere, for instruments may be
alike, lines cross, and all notes change at once. Viterbi's algorithm finds the cheapest path
through all frames. What the instruments are like (timbre, register) is learned from the path, and
the path is found with what was learned, in turn.

Departs from the paper: there the network itself chooses the instrument, and every frame is decided
by itself; its Figure 6 shows a held note that jumps a fifth.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``i`` instruments (as
many), ``a`` assignments of tones to instruments, ``h`` harmonics, those of all channels in a row;
``p = s a`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from musisep_cli.frames.framewise import Derived, Framewise, Together, excerpt, stretches
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spool import Spool
from musisep_cli.players.costs import (
    Array,
    Candidates,
    Choice,
    Costs,
    DecodingConfig,
    Weighed,
)
from musisep_cli.players.viterbi import cheapest_path

EXCERPT_STRETCHES, STRETCH_FRAMES = 8, 1024
"""Number of parts of a long recording, and of frames in each, on which the starts are tried: 87
seconds in all."""
SAME = 0.98
"""Share of all tones in which two decodings must agree to count as the same."""
TINY = 1e-12
"""Least sum by which anything is divided."""
FRAMES_AT_ONCE = EXCERPT_STRETCHES * STRETCH_FRAMES
"""Most frames that are held in memory at once."""


@dataclass(frozen=True)
class Decoding:
    """What was chosen in every frame, and what that says of the instruments.

    Attributes:
        hypotheses: number of the hypothesis chosen in every frame, ``[n]``.
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
        """Return it with the instruments in another order, ``[i]``."""
        return replace(
            self,
            tones=self.tones[:, instruments],
            timbres=self.timbres[instruments],
            register_semitones=self.register_semitones[instruments],
            spread_semitones=self.spread_semitones[instruments],
        )


@dataclass(frozen=True)
class Excerpt:
    """Parts from all over a long recording, enough to learn what the instruments are like.

    Attributes:
        parts: the parts.
        hypotheses: the one of every frame of the recording that is wanted, ``[n]``.
    """

    parts: list[slice]
    hypotheses: Choice

    @classmethod
    def of(cls, hypotheses: Choice) -> Excerpt:
        """Return the excerpt of a recording in which these hypotheses were chosen."""
        return cls(excerpt(len(hypotheses), EXCERPT_STRETCHES, STRETCH_FRAMES), hypotheses)

    def candidates(self, candidates: Framewise[Candidates]) -> Candidates:
        """Return the excerpt of all candidates, in memory, with one hypothesis per frame."""
        chosen = (candidates[part].only(self.hypotheses[part]) for part in self.parts)
        return leafwise(lambda *parts: np.concatenate(parts), *chosen)


Judge: TypeAlias = Callable[[Excerpt, Sequence[Decoding]], Decoding]
"""Takes several decodings of an excerpt, that with the least cost first, and returns the best."""


def least_cost(_excerpt: Excerpt, decodings: Sequence[Decoding]) -> Decoding:
    """Return the first: the one with the least cost."""
    return decodings[0]


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
    """Return the cheapest path through all frames.

    1. The path is chosen as if all instruments were alike.
    2. On an excerpt, its tones are assigned to instruments, from several starts.
    3. From the best assignment on, path and assignment are chosen together.

    Args:
        candidates: hypotheses of every frame.
        config: weights.
        seed: seed of the random starts.
        judge: picks the best assignment where the starts lead to different ones.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block; may raise to end the work.

    Returns:
        The path; instrument 0 is the highest.

    Raises:
        OutputError: the disk is full.
    """
    scene = _Scene(candidates, config, scratch, pause)
    # 1.
    part = Excerpt.of(scene.path_of_anyone().hypotheses)
    # 2. Each start is followed until it settles; those that end alike count once.
    of_part = _Scene(part.candidates(candidates), config, scratch, pause)
    settled = [of_part.settle(start, config.rounds) for start in of_part.starts(seed)]
    different = _distinct([_from_high_to_low(found) for found in settled])[: config.judged]
    best = judge(part, different) if len(different) > 1 else different[0]
    # 3.
    return _from_high_to_low(scene.settle(best, config.final_rounds))


def decode_again(
    candidates: Framewise[Candidates],
    instruments: Decoding,
    misfits: Framewise[Array],
    config: DecodingConfig,
    *,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = go_on,
) -> Decoding:
    """Return the cheapest path where it is known how each instrument sounds at every pitch.

    Args:
        candidates: hypotheses of every frame.
        instruments: a decoding that tells what the instruments are like.
        misfits: how badly the instruments explain every hypothesis in every assignment,
            ``[n, s, a]``.
        config: weights.
        scratch: as in ``decode``.
        pause: as in ``decode``.

    Returns:
        The path, with the instruments in the same order.

    Raises:
        OutputError: the disk is full.
    """
    return _Scene(candidates, config, scratch, pause).path_of(instruments, misfits)


def order_like(*, reference: Array, estimate: Array) -> Choice:
    """Return which estimate each reference timbre matches, ``[i]``, in the best match of all.

    Args:
        reference: timbres of any positive length, ``[i, h]``.
        estimate: as many timbres.
    """

    def unit(timbres: Array) -> Array:
        """Return timbres as unit vectors."""
        norms = np.linalg.norm(timbres, axis=1, keepdims=True)
        vectors: Array = timbres / np.maximum(norms, TINY)
        return vectors

    likeness = unit(reference) @ unit(estimate).T
    _, columns = linear_sum_assignment(likeness, maximize=True)
    order: Choice = columns
    return order


def _from_high_to_low(found: Decoding) -> Decoding:
    """Return the decoding with instrument 0 the highest."""
    return found.ordered(np.argsort(-found.register_semitones))


def _distinct(decodings: Iterable[Decoding]) -> list[Decoding]:
    """Return the decodings that differ from each other, the one with the least cost first."""
    kept: list[Decoding] = []
    for found in sorted(decodings, key=lambda decoding: decoding.cost):
        if all((found.tones == other.tones).mean() < SAME for other in kept):
            kept.append(found)
    return kept


class _Scene:
    """All hypotheses of a recording, a block of frames at a time, wherever they are kept."""

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
        # The usual loudness, the mean weighted by loudness: rests do not lower it.
        squares, total = 0, 0
        for block in self.blocks:
            probable = candidates[block].loudness[:, 0]  # n, m
            squares, total = squares + (probable**2).sum(), total + probable.sum()
        loud = float(squares / max(float(total), TINY))
        self.frames = Derived(candidates, partial(Weighed.of, config=config, loud=loud))

    def starts(self, seed: int) -> list[Decoding]:
        """Return first assignments: by pitch, then by likeness to timbres of random loud frames."""
        generator = np.random.default_rng(seed)
        frames = self.frames[:]
        first = np.zeros(self.n_frames, np.int64)  # the only hypothesis of every frame
        tones = [np.argsort(-frames.pitch[:, 0], axis=1)]
        # Frames whose weakest tone is loud show the timbres of all instruments at once.
        weakest = frames.weights[:, 0].min(1)
        loud = np.flatnonzero(weakest >= np.quantile(weakest, 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            misfit = self.costs.of_timbres(frames, frames.timbres[frame, 0].astype(np.float64))
            tones.append(self.assignments[self.costs.by_assignment(misfit)[:, 0].argmin(1)])
        return [self._learn(first, choice) for choice in tones]

    def path_of_anyone(self) -> Decoding:
        """Return the cheapest path as if all instruments were alike."""
        # Then all assignments of a hypothesis cost the same.
        n_assignments = len(self.assignments)
        costs = partial(np.repeat, repeats=n_assignments, axis=-1)
        return self._cheapest(Derived(self.frames, lambda frames: costs(frames.evidence)))

    def path_of(self, instruments: Decoding, misfits: Framewise[Array]) -> Decoding:
        """Return the path of ``decode_again``: misfits count besides all other costs."""

        def costs(block: tuple[Weighed, Array]) -> Array:
            """Return the costs of all states of some frames, ``[n, p]``."""
            frames, misfit = block
            harmonics = self.config.weight_harmonics * frames.say[:, None, None] * misfit
            of_states = self.costs.of_states(frames, instruments)
            total: Array = of_states + harmonics.reshape(len(misfit), -1)
            return total

        return self._cheapest(Derived(Together(self.frames, misfits), costs))

    def settle(self, instruments: Decoding, rounds: int) -> Decoding:
        """Find the path and learn what the instruments are like in turn, until nothing changes.

        Args:
            instruments: a decoding that tells what they are like at first.
            rounds: most rounds.
        """
        found = self._path_with(instruments)
        for _ in range(rounds - 1):
            again = self._path_with(found)
            changed = np.any(again.hypotheses != found.hypotheses) or np.any(
                again.tones != found.tones
            )
            found = again
            if not changed:
                break
        return found

    def _path_with(self, instruments: Decoding) -> Decoding:
        """Return the cheapest path if the instruments are like those of a decoding."""
        return self._cheapest(
            Derived(self.frames, partial(self.costs.of_states, instruments=instruments))
        )

    def _cheapest(self, costs: Framewise[Array]) -> Decoding:
        """Return the cheapest path for costs ``[n, p]`` and what the instruments are like on it."""
        with closing(self.scratch()) as before:
            path, cost = cheapest_path(costs, self._leaps, before)
        hypotheses, assignment = np.divmod(path, len(self.assignments))  # p = s a
        return replace(self._learn(hypotheses, self.assignments[assignment]), cost=cost)

    def _learn(self, hypotheses: Choice, tones: Choice) -> Decoding:
        """Learn timbre and register of every instrument from what it plays."""
        played = [self._played(block, hypotheses[block], tones[block]) for block in self.blocks]
        weights, pitch = (np.concatenate([part[k] for part in played]) for k in range(2))
        total = np.maximum(weights.sum(0), TINY)
        # Register: mean and standard deviation of the pitch, loud tones counting more.
        mean = (weights * pitch).sum(0) / total
        spread = np.sqrt((weights * (pitch - mean) ** 2).sum(0) / total)
        # Timbre: the sum of the tones' unit vectors, weighted likewise, as a unit vector.
        timbres = sum((part[2] for part in played), np.float64(0))
        timbres = timbres / np.maximum(np.linalg.norm(timbres, axis=-1, keepdims=True), TINY)
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
        """Return weights and pitches of what is played ``[n, i]``, sums of timbres ``[i, h]``."""
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
        """Return what the instruments' leaps cost, as ``viterbi.Transitions``."""
        self.pause()
        return self.costs.of_leaps(self.frames[first : last + 1])
