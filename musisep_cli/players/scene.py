"""Scene: all hypotheses of a recording, and the cheapest paths through them.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``v`` voices (as
many), ``i`` instruments, ``a`` assignments of tones to voices, ``h`` harmonics, those of all
channels in a row; ``p`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from musisep_cli.frames.framewise import Derived, Framewise, stretches
from musisep_cli.frames.spool import Spool
from musisep_cli.players.costs import (
    Candidates,
    DecodingConfig,
    Weighed,
    distances,
    unlikeness,
    usual_loudness,
)
from musisep_cli.players.instruments import (
    LEAST_SPREAD_NATS,
    Array,
    Choice,
    Instruments,
    means_and_spreads,
    order_of,
    timbre_spread,
    timbres_of,
)
from musisep_cli.players.states import States, Stretch, by_assignment, states_of
from musisep_cli.players.strands import strands
from musisep_cli.players.viterbi import cheapest_path
from musisep_cli.players.voices import Voices

FRAMES_AT_ONCE = 8192
"""Most frames that are held in memory at once."""
TRUST_IN_LINES = (1.0, 1 / 3)
"""How far register and order are trusted, one after the other, where instruments are learned."""
HEIGHTS = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0)
"""Shares of all tones below the places at which a line is looked for among chords."""
SILENT = 1e3
"""By how much a tone that does not sound comes behind all others: more than any distance."""
Index: TypeAlias = tuple[Choice, Choice, Choice]
Misfits: TypeAlias = Callable[[slice, Choice], Array]
"""Tells how badly the instruments explain some states, ``[n, p]``, from a stretch of frames and the
names of the states ``[n, p]``."""


@dataclass(frozen=True)
class Decoding:
    """What was chosen in every frame, and what that says of the instruments.

    Attributes:
        hypotheses: number of the hypothesis chosen in every frame, ``[n]``.
        tones: which of its tones each voice plays, ``[n, v]``; of instruments with as many voices,
            the first is the highest.
        voices: the voices of all instruments.
        instruments: what they are like.
        cost: of the path, the lower the better.
    """

    hypotheses: Choice
    tones: Choice
    voices: Voices
    instruments: Instruments
    cost: float

    def ordered(self, order: Choice) -> Decoding:
        """Return it with the instruments in another order, ``[i]``."""
        columns = [np.flatnonzero(self.voices.players == player) for player in order]
        return replace(
            self,
            tones=self.tones[:, np.concatenate(columns)],
            voices=Voices(tuple(len(own) for own in columns)),
            instruments=self.instruments.ordered(order),
        )

    def plays_as(self, other: Decoding) -> bool:
        """Return whether the same instruments play the same tones in another decoding."""
        pairs = ((self.hypotheses, other.hypotheses), (self.tones, other.tones))
        return not any(np.any(one != another) for one, another in pairs)

    def trusting(self, trust_in_lines: float) -> Decoding:
        """Return it with more or less trust in its instruments' lines."""
        instruments = replace(self.instruments, trust_in_lines=trust_in_lines)
        return replace(self, instruments=instruments)


class Played(NamedTuple):
    """What the voices play in all frames.

    Attributes:
        weights: w, how much say each tone has, ``[n, v]``.
        semitones: pitches, MIDI numbers, ``[n, v]``.
        level: logarithm of the level, ``[n, v]``.
        sums: of w times the timbre, over the tones of every instrument, ``[i, h]``.
    """

    weights: Array
    semitones: Array
    level: Array
    sums: Array


class Scene:
    """All hypotheses of a recording, a block of frames at a time, wherever they are kept."""

    def __init__(
        self,
        candidates: Framewise[Candidates],
        voices: Voices,
        config: DecodingConfig,
        scratch: Callable[[], Spool],
        pause: Callable[[], None],
    ) -> None:
        if voices.alike:  # the level tells who leads, and of single lines nothing
            config = replace(config, weight_level=0.0)
        self.voices, self.config, self.scratch, self.pause = voices, config, scratch, pause
        self.n_frames = len(candidates)
        self.blocks = list(stretches(self.n_frames, FRAMES_AT_ONCE))
        probable = [candidates[block].loudness[:, 0] for block in self.blocks]  # n, m
        loud = usual_loudness(np.concatenate(probable))
        self.frames = Derived(
            candidates,
            partial(Weighed.of, config=config, loud=loud, n_expected=len(voices.of_instruments)),
        )

    def starts(self, seed: int) -> list[Instruments]:
        """Return what the instruments may be like at first, by pitch and by timbre.

        By pitch: the first instrument the highest or, where the numbers of voices differ, the line
        at any height; it may also be the loudest tone. By timbre: tones by their likeness to those
        of random loud frames. All of them with every trust in lines.
        """
        generator = np.random.default_rng(seed)
        frames, ways = self.frames[:], self.voices.assignments
        first = np.zeros(self.n_frames, np.int64)  # the only hypothesis of every frame
        alike = self.voices.alike
        tones = [np.argsort(-frames.pitch[:, 0], axis=1)] if alike else self._led()
        # Frames whose weakest tone is loud show the timbres of all instruments at once.
        weakest = frames.weights[:, 0].min(1)
        loud = np.flatnonzero(weakest >= np.quantile(weakest, 0.5))
        for frame in generator.choice(loud, self.config.starts - 1):
            way = ways[0] if alike else ways[generator.integers(len(ways))]
            heard = frames.timbres[frame, 0, way].astype(np.float64)
            misfit = distances(frames.timbres, timbres_of(self._by_instrument(heard)))
            tones.append(ways[by_assignment(misfit, self.voices)[:, 0].argmin(1)])
        return [
            self._learn(first, choice, self._played(first, choice), trust)
            for trust in TRUST_IN_LINES
            for choice in tones
        ]

    def _led(self) -> list[Choice]:
        """Return tones of which those with few voices play the loudest, or those at any height."""
        frames, n_voices = self.frames[:], np.array(self.voices.of_instruments)
        pitch, silent = frames.pitch[:, 0], frames.weights[:, 0] == 0
        heights = np.quantile(pitch[~silent], HEIGHTS) if not silent.all() else HEIGHTS
        far = [-frames.level[:, 0], *(np.abs(pitch - height) for height in heights)]
        # The tones in front go to the voices of those with the fewest; silent ones come last.
        ranks = np.argsort(np.argsort(n_voices[self.voices.players], kind="stable"))
        return [np.argsort(each + SILENT * silent, axis=1)[:, ranks] for each in far]

    def path_of_anyone(self) -> Choice:
        """Return the hypotheses of the cheapest path as if one instrument played all, ``[n]``."""
        together = Voices((self.voices.n_voices,))

        def states(block: slice) -> States:
            """Return all hypotheses of some frames."""
            frames = self.frames[block]
            names = np.broadcast_to(np.arange(frames.evidence.shape[1]), frames.evidence.shape)
            return States.named(frames, together, names, frames.evidence)

        path, _ = self._cheapest(states, together)
        return path

    def settle(self, instruments: Instruments, rounds: int) -> Decoding:
        """Find the path and learn what the instruments are like in turn, until nothing changes.

        Args:
            instruments: what they are like at first.
            rounds: most rounds.
        """
        found = self.path_with(instruments)
        for _ in range(rounds - 1):
            before, found = found, self.path_with(found.instruments)
            if before.plays_as(found):
                break
        return found

    def path_with(self, instruments: Instruments, misfits: Misfits | None = None) -> Decoding:
        """Return the cheapest path if the instruments are known, and what it says of them.

        Args:
            instruments: what they are like.
            misfits: tells how badly they explain states, which counts besides all else.
        """

        def states(block: slice) -> States:
            """Return the states of some frames that are followed."""
            frames = self.frames[block]
            found = states_of(frames, instruments, self.voices, self.config)
            if misfits is None:
                return found
            misfit = frames.say[:, None] * misfits(block, found.names)
            return found.plus(self.config.weight_harmonics * misfit)

        path, cost = self._cheapest(states, self.voices)
        hypotheses, assignments = np.divmod(path, len(self.voices.assignments))
        tones = self.voices.assignments[assignments]
        played = self._played(hypotheses, tones)
        # What the path could not choose, but tells one set of instruments from another.
        cost += unlikeness(instruments, self.config) * float(played.weights.sum())
        learned = self._learn(hypotheses, tones, played, instruments.trust_in_lines)
        return Decoding(hypotheses, tones, self.voices, learned, cost)

    def stranded(self, found: Decoding) -> Decoding:
        """Return a decoding in which every note stays with one voice of its instrument."""
        if max(self.voices.of_instruments) == 1:
            return found
        played = self._played(found.hypotheses, found.tones)
        order = strands(played.semitones, played.weights, self.voices.players)
        return replace(found, tones=np.take_along_axis(found.tones, order, 1))

    def _cheapest(self, states: Callable[[slice], States], voices: Voices) -> tuple[Choice, float]:
        """Return the cheapest path through states, their names ``[n]``, and its cost."""

        def stretch(frames: range) -> Stretch:
            """Return the states of some frames."""
            block = slice(frames.start, frames.stop)
            return Stretch(states(block), voices.players, self.config, self.pause)

        with closing(self.scratch()) as before:
            return cheapest_path(Derived(range(self.n_frames), stretch), before)

    def _learn(
        self,
        hypotheses: Choice,
        tones: Choice,
        played: Played,
        trust: float,
    ) -> Instruments:
        """Learn what every instrument is like from what is ``_played``; lines as trusted."""
        players = self.voices.players
        timbres = timbres_of(played.sums)
        distance = self._distances(hypotheses, tones, timbres)

        def by_player(values: Array) -> list[Array]:
            """Return values of the voices ``[n, v]`` by instrument."""
            return [values[:, players == player] for player in range(len(timbres))]

        spread, dimensions = timbre_spread(played.weights, distance)
        said = by_player(played.weights)
        mean, deviation = means_and_spreads(
            said, by_player(played.semitones), self.config.min_register_semitones
        )
        level, of_level = means_and_spreads(said, by_player(played.level), LEAST_SPREAD_NATS)
        return Instruments(
            timbres=timbres,
            timbre_spread=spread,
            timbre_dimensions=dimensions,
            register_semitones=mean,
            spread_semitones=deviation,
            above=order_of(played.weights, played.semitones, players),
            level_nats=level,
            spread_nats=of_level,
            trust_in_lines=trust,
        )

    def _played(self, hypotheses: Choice, tones: Choice) -> Played:
        """Return what the voices play."""
        parts, sums = [], np.zeros(())
        for block, index in self._chosen(hypotheses, tones):
            frames = self.frames[block]
            weights = frames.weights[index]
            parts.append((weights, frames.pitch[index], frames.level[index]))
            heard = [
                weights[:, voice] @ frames.timbres[rows, chosen, tone]
                for voice, (rows, chosen, tone) in enumerate(_columns(index))
            ]
            sums = sums + self._by_instrument(np.stack(heard).astype(np.float64))
        weights, semitones, level = map(np.concatenate, zip(*parts, strict=True))
        return Played(weights, semitones, level, sums)

    def _distances(self, hypotheses: Choice, tones: Choice, timbres: Array) -> Array:
        """Return how far what is played is from its instrument's timbre, e, ``[n, v]``."""
        parts = []
        for block, index in self._chosen(hypotheses, tones):
            of_tones = self.frames[block].timbres
            parts.append(
                np.stack(
                    [
                        distances(of_tones[column], timbres[player][None])[:, 0]
                        for player, column in zip(self.voices.players, _columns(index), strict=True)
                    ],
                    1,
                )
            )
        return np.concatenate(parts)

    def _chosen(self, hypotheses: Choice, tones: Choice) -> Iterator[tuple[slice, Index]]:
        """Yield every block of frames with the index of the tones chosen in it, ``[n, v]``."""
        for block in self.blocks:
            self.pause()
            rows = np.arange(block.stop - block.start)[:, None]
            yield block, (rows, hypotheses[block, None], tones[block])

    def _by_instrument(self, of_voices: Array) -> Array:
        """Return the sums over the voices of every instrument ``[i, h]``, from ``[v, h]``."""
        starts = np.searchsorted(self.voices.players, np.arange(len(self.voices.of_instruments)))
        sums: Array = np.add.reduceat(of_voices, starts, axis=0)
        return sums


def _columns(index: Index) -> Iterator[tuple[Choice, Choice, Choice]]:
    """Yield the index of every voice's tones, ``[n]`` each, from that of all ``[n, v]``."""
    rows, hypotheses, tones = index
    for tone in tones.T:
        yield rows[:, 0], hypotheses[:, 0], tone
