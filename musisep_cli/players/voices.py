"""Voices: how many tones each instrument plays at once, and the ways to share tones out.

A melody instrument has one voice, a piano several. The voices of one instrument are exchangeable:
five tones of an oboe and a piano of four voices are shared out in five ways, by which of them the
oboe plays, not in the 120 of five instruments.

Axes: ``v`` voices of all instruments in a row, ``m`` tones (as many), ``a`` assignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np

from musisep_cli.players.instruments import Choice

MOST_INSTRUMENTS = 6
"""Largest number of instruments that tones are shared out among: in every frame all 720 ways to
share out a hypothesis's tones among six are weighed."""
MOST_VOICES = 8
"""Largest number of tones of a frame, those of all instruments together."""
MELODY = (1, 4)
"""Voices of a leading line, and of all that is heard besides it."""


@dataclass(frozen=True, kw_only=True)
class VoicesConfig:
    """How many tones the instruments play at once."""

    of_instruments: tuple[int, ...] = field(default=(), metadata={"least": 1})
    """Number of tones of every instrument, in the order of the stems; none named: one each."""
    melody: bool = False
    """Whether only the leading line becomes a stem, and all that goes with it the residual."""

    @property
    def has_chords(self) -> bool:
        """Whether an instrument may play several tones at once."""
        return self.melody or max(self.of_instruments, default=1) > 1


@dataclass(frozen=True)
class Voices:
    """The voices of all instruments.

    Attributes:
        of_instruments: number of voices of every instrument, at least 1 each.
    """

    of_instruments: tuple[int, ...]

    @classmethod
    def single(cls, n_instruments: int) -> Voices:
        """Return one voice for each of ``n_instruments``."""
        return cls((1,) * n_instruments)

    @classmethod
    def wanted(cls, n_instruments: int, config: VoicesConfig) -> Voices:
        """Return the voices that settings ask for; of a melody also those of what goes with it."""
        if config.melody:
            return cls(MELODY)
        return cls(config.of_instruments) if config.of_instruments else cls.single(n_instruments)

    @property
    def alike(self) -> bool:
        """Whether all instruments have as many voices."""
        return len(set(self.of_instruments)) == 1

    @property
    def n_instruments(self) -> int:
        """Number of instruments."""
        return len(self.of_instruments)

    @property
    def n_voices(self) -> int:
        """Number of voices, and of tones of a frame."""
        return sum(self.of_instruments)

    @cached_property
    def players(self) -> Choice:
        """Which instrument has each voice, ``[v]``."""
        return np.repeat(np.arange(len(self.of_instruments)), self.of_instruments)

    @cached_property
    def assignments(self) -> Choice:
        """Every way to share out the tones: the tone of each voice, ``[a, v]``.

        >>> Voices((1, 2)).assignments.tolist()
        [[0, 1, 2], [1, 0, 2], [2, 0, 1]]
        """
        return np.array(list(_shared(self.of_instruments, tuple(range(self.n_voices)))))

    @cached_property
    def players_of_tones(self) -> Choice:
        """Which instrument plays each tone in every assignment, ``[a, m]``."""
        return self.players[np.argsort(self.assignments, 1)]


def _shared(voices: Sequence[int], tones: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all ways in which some instruments share out some tones, as tones of the voices."""
    if not voices:
        return [()]
    ways = []
    for own in combinations(tones, voices[0]):
        left = tuple(tone for tone in tones if tone not in own)
        ways += [own + rest for rest in _shared(voices[1:], left)]
    return ways
