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

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``v`` voices (as
many), ``i`` instruments, ``a`` assignments of tones to voices, ``h`` harmonics, those of all
channels in a row; ``p`` states of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from musisep_cli.frames.framewise import Framewise, excerpt
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.threads import CALLERS_OWN, Threads, in_turn
from musisep_cli.players.costs import Candidates, DecodingConfig
from musisep_cli.players.instruments import Array, Choice, timbres_of
from musisep_cli.players.scene import Decoding, Misfits, Scene
from musisep_cli.players.voices import Voices

EXCERPT_STRETCHES, STRETCH_FRAMES = 8, 1024
"""Number of parts of a long recording, and of frames in each, on which the starts are tried: 87
seconds in all."""
SAME = 0.98
"""Share of all tones in which two decodings must agree to count as the same."""


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
    voices: Voices,
    config: DecodingConfig,
    seed: int,
    *,
    judge: Judge = least_cost,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = go_on,
    threads: Threads = CALLERS_OWN,
) -> Decoding:
    """Return the cheapest path through all frames.

    1. The path is chosen as if all tones were voices of one instrument.
    2. On an excerpt, its tones are assigned to instruments, from several starts.
    3. From the best assignment on, path and assignment are chosen together.

    Args:
        candidates: hypotheses of every frame.
        voices: how many tones each instrument plays at once.
        config: weights.
        seed: seed of the random starts.
        judge: picks the best assignment where the starts lead to different ones.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block, by one thread at a time; may raise to end the work.
        threads: follow the starts.

    Returns:
        The path; of instruments with as many voices, the first is the highest.

    Raises:
        OutputError: the disk is full.
    """
    scene = Scene(candidates, voices, config, scratch, pause)
    # 1.
    part = Excerpt.of(scene.path_of_anyone())
    # 2. Each start is followed until it settles; those that end alike count once.
    of_part = Scene(part.candidates(candidates), voices, config, scratch, in_turn(pause))
    settled = threads.map(partial(of_part.settle, rounds=config.rounds), of_part.starts(seed))
    different = _distinct(_from_high_to_low(found) for found in settled)[: config.judged]
    best = judge(part, different) if len(different) > 1 else different[0]
    # 3.
    found = scene.settle(best.instruments, config.final_rounds)
    return _from_high_to_low(scene.stranded(found))


def decode_again(
    candidates: Framewise[Candidates],
    first: Decoding,
    misfits: Misfits,
    config: DecodingConfig,
    *,
    scratch: Callable[[], Spool] = Spool.temporary,
    pause: Callable[[], None] = go_on,
) -> Decoding:
    """Return the cheapest path where it is known how each instrument sounds at every pitch.

    Args:
        candidates: hypotheses of every frame.
        first: a decoding that tells what the instruments are like.
        misfits: tells how badly the instruments explain states.
        config: weights.
        scratch: as in ``decode``.
        pause: as in ``decode``.

    Returns:
        The path, with the instruments in the same order.

    Raises:
        OutputError: the disk is full.
    """
    scene = Scene(candidates, first.voices, config, scratch, pause)
    return scene.stranded(scene.path_with(first.instruments, misfits))


def order_like(*, reference: Array, estimate: Array) -> Choice:
    """Return which estimate each reference timbre matches, ``[i]``, in the best match of all.

    Args:
        reference: timbres of any positive length, ``[i, h]``.
        estimate: as many timbres.
    """
    likeness = timbres_of(reference) @ timbres_of(estimate).T
    _, columns = linear_sum_assignment(likeness, maximize=True)
    order: Choice = columns
    return order


def _from_high_to_low(found: Decoding) -> Decoding:
    """Return the decoding with instruments of as many voices from high to low."""
    n_voices = np.array(found.voices.of_instruments)
    order = np.arange(len(n_voices))
    for alike in (np.flatnonzero(n_voices == n) for n in np.unique(n_voices)):
        order[alike] = alike[np.argsort(-found.instruments.register_semitones[alike])]
    return found.ordered(order)


def _distinct(decodings: Iterable[Decoding]) -> list[Decoding]:
    """Return the decodings that differ from each other, the one with the least cost first."""
    kept: list[Decoding] = []
    for found in sorted(decodings, key=lambda decoding: decoding.cost):
        if all((found.tones == other.tones).mean() < SAME for other in kept):
            kept.append(found)
    return kept
