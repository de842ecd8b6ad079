"""Rests: how often instruments rest, and what a rest costs.

Two that play together rest seldom, and a label without a tone is most often a tone that was not
found. In a piece for five, half of the labels may have no tone at any time; a rest that cost as
much there would fill them with octaves of what the others play. How often they rest is told by the
frames' most probable hypotheses, in which the network says by itself when nothing is left. With
their share r of labels without a tone, over all frames by how much say each has, a rest costs

    weight_rest min(1, max(1/4, log((1 - r) / r) / log((1 - r_0) / r_0))),                       (1)

as the log-odds of a tone against a rest; no more than where r = r_0, and never so little that any
tone would be cheaper.

Axes: ``n`` frames, ``m`` tones of a hypothesis.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from musisep_cli.players.costs import TINY, DecodingConfig, usual_loudness
from musisep_cli.players.instruments import Array

FEW_RESTS = 0.3
"""r_0: of four instruments that play throughout, as many tones are missed."""
LEAST_COST = 0.25
"""Least share of ``weight_rest`` that a rest costs."""


def with_rests(config: DecodingConfig, loudness: Array, n_instruments: int) -> DecodingConfig:
    """Return the weights with the cost of a rest as it follows from the recording, (1).

    Args:
        config: the weights.
        loudness: as of ``rest_share``.
        n_instruments: as of ``rest_share``.
    """
    share = rest_share(loudness, n_instruments, config.faint)
    odds = (1 - share) / max(share, TINY)
    nats = math.log(max(odds, 1.0)) / math.log((1 - FEW_RESTS) / FEW_RESTS)
    return replace(config, weight_rest=config.weight_rest * min(max(nats, LEAST_COST), 1.0))  # (1)


def rest_share(loudness: Array, n_instruments: int, faint: float) -> float:
    """Return r: the share of instruments without a tone in the frames' most probable hypotheses.

    Args:
        loudness: of the tones of every frame's most probable hypothesis, ``[n, m]``.
        n_instruments: as many tones are expected; more are chords.
        faint: share of the usual loudness below which a tone does not count.
    """
    level = loudness / max(usual_loudness(loudness), TINY)
    say = np.sqrt(np.minimum(level, 1.0)).max(1)
    n_tones = np.minimum((level >= faint).sum(1), n_instruments)
    expected = n_instruments * max(float(say.sum()), TINY)
    return max(1 - float((say * n_tones).sum()) / expected, 0.0)
