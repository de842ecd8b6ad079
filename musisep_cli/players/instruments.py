"""Instruments: what a decoding says of them, each cue with its own spread.

What tells two instruments apart differs from recording to recording: a recorder and a violin by
their timbres, two flutes by who plays the upper line, a viola and a double bass by their registers.
So how much every cue says is learned with it: a cue that scatters says little.

Timbre. For the timbre x of a tone (a unit vector) and that of its instrument, mu, the distance
e = 1 - (x . mu)^2 is taken to be that of a normal distribution in d dimensions, d e / r following
a chi-squared distribution with d degrees of freedom. With the mean m and the variance v of e over
all tones of all instruments,

    r = m,   d = 2 m^2 / v,                                                                     (1)
    -log p = (d / 2) e / r + const.                                                             (2)

One r serves all: with its own, one instrument would take whatever is unlike anything else, and the
other become the more exact for it.

Register. The pitch of an instrument has mean and standard deviation s:

    -log p = (pitch - mean)^2 / (2 s^2) + log s + const.                                        (3)

Level. Its logarithm has mean and standard deviation, as the pitch has in (3).

Order. With what probability one instrument is higher than another, where both sound, by counts
with ``ORDER_PRIOR`` frames for either order:

    q[i, j] = (tones of i above those of j + prior) / (pairs of tones + 2 prior),               (4)
    -log p = -log q[i, j] where i is above j.                                                   (5)

All sums and means weigh a tone by how much say it has, w.

Axes: ``n`` tones of an instrument or frames, ``i`` instruments, ``v`` voices of all instruments in
a row, ``h`` harmonics, those of all channels in a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Choice: TypeAlias = NDArray[np.int64]

ORDER_PRIOR = 50.0
"""Frames for which either order counts as seen beforehand, half a second at the usual hop: a few
frames in which a voice is not above another do not make that impossible."""
LEAST_SPREAD, FEWEST_DIMENSIONS, MOST_DIMENSIONS = 0.03, 1.0, 8.0
"""Bounds of r and d in (1): timbres are never told more exactly than to ten degrees, and a few
tones that err do not make a cue worthless."""
LEAST_SPREAD_NATS = 0.3
"""Least standard deviation of an instrument's level that is learned, in nats: 2.6 dB."""
TINY = 1e-12
"""Least sum by which anything is divided."""


@dataclass(frozen=True)
class Instruments:
    """What is known of all instruments.

    Attributes:
        timbres: mu, unit vectors of lifted harmonic amplitudes, or 0 for one never heard,
            ``[i, h]``.
        timbre_spread: r, mean distance of tones' timbres from that of their instrument.
        timbre_dimensions: d.
        register_semitones: mean pitch, MIDI numbers, ``[i]``.
        spread_semitones: s, standard deviation of the pitch, ``[i]``.
        above: q, how probable it is that one (row) is higher than another (column), ``[i, i]``.
        level_nats: mean of the logarithm of the level relative to the usual one, ``[i]``.
        spread_nats: its standard deviation, ``[i]``.
        trust_in_lines: what register and order say is multiplied by this. Sorted by pitch, tones
            always seem to belong to lines that keep apart, even where lines really cross.
    """

    timbres: Array
    timbre_spread: float
    timbre_dimensions: float
    register_semitones: Array
    spread_semitones: Array
    above: Array
    level_nats: Array
    spread_nats: Array
    trust_in_lines: float = 1.0

    def ordered(self, order: Choice) -> Instruments:
        """Return the instruments in another order, ``[i]``."""
        return replace(
            self,
            timbres=self.timbres[order],
            register_semitones=self.register_semitones[order],
            spread_semitones=self.spread_semitones[order],
            above=self.above[np.ix_(order, order)],
            level_nats=self.level_nats[order],
            spread_nats=self.spread_nats[order],
        )

    def with_silent(self, n_more: int) -> Instruments:
        """Return the instruments with others behind them of which nothing was ever heard."""
        behind = (0, n_more)
        return replace(
            self,
            timbres=np.pad(self.timbres, (behind, (0, 0))),
            register_semitones=np.pad(self.register_semitones, behind),
            spread_semitones=np.pad(self.spread_semitones, behind, constant_values=1.0),
            above=np.pad(self.above, behind, constant_values=0.5),
            level_nats=np.pad(self.level_nats, behind),
            spread_nats=np.pad(self.spread_nats, behind, constant_values=1.0),
        )


def timbres_of(sums: Array) -> Array:
    """Return mu from the sums of w x over the tones of every instrument ``[i, h]``, ``[i, h]``."""
    norms = np.linalg.norm(sums, axis=-1, keepdims=True)
    timbres: Array = sums / np.maximum(norms, TINY)
    return timbres


def timbre_spread(weights: Array, distances: Array) -> tuple[float, float]:
    """Return (1), r and d.

    Args:
        weights: w of all tones.
        distances: e of the same tones.

    >>> timbre_spread(np.ones(4), np.array([0.0, 0.2, 0.2, 0.4]))
    (0.2, 4.0)
    """
    total = max(float(weights.sum()), TINY)
    mean = float((weights * distances).sum()) / total
    variance = float((weights * (distances - mean) ** 2).sum()) / total
    dimensions = 2 * mean**2 / max(variance, TINY)  # (1)
    return (
        max(mean, LEAST_SPREAD),
        min(max(dimensions, FEWEST_DIMENSIONS), MOST_DIMENSIONS),
    )


def means_and_spreads(
    weights: Iterable[Array], values: Iterable[Array], least: float
) -> tuple[Array, Array]:
    """Return mean and standard deviation of a quantity of every instrument's tones, ``[i]`` each.

    Args:
        weights: w of the tones of every instrument, ``[n]`` each.
        values: what the tones have, for example their pitches as MIDI numbers.
        least: least standard deviation.
    """
    means, spreads = [], []
    for w, value in zip(weights, values, strict=True):
        total = max(w.sum(), TINY)
        mean = (w * value).sum() / total
        means.append(mean)
        spreads.append(max(float(np.sqrt((w * (value - mean) ** 2).sum() / total)), least))
    return np.array(means), np.array(spreads)


def order_of(weights: Array, semitones: Array, players: Choice) -> Array:
    """Return (4), counted over all pairs of tones, ``[i, i]``.

    Args:
        weights: w of what every voice plays, ``[n, v]``.
        semitones: its pitches, ``[n, v]``.
        players: which instrument has each voice, ``[v]``.

    >>> lines = np.array([[72.0, 60.0]] * 50)
    >>> order_of(np.ones((50, 2)), lines, np.array([0, 1])).round(2).tolist()
    [[0.5, 0.67], [0.33, 0.5]]
    """
    n_instruments = int(players.max()) + 1
    higher = np.zeros((n_instruments, n_instruments))
    for voice, player in enumerate(players):
        for other, its_player in enumerate(players):
            both = np.minimum(weights[:, voice], weights[:, other])
            higher[player, its_player] += both @ (semitones[:, voice] > semitones[:, other])
    above: Array = (higher + ORDER_PRIOR) / (higher + higher.T + 2 * ORDER_PRIOR)  # (4)
    return above
