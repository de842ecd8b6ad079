"""Costs: what speaks against the tones of a frame, and against who plays them.

A hypothesis has a cost of its own, whoever plays it: that the network thinks it improbable, that
its tones do not explain the frame, that voices rest, that two tones have one pitch. An assignment
of its tones to voices adds the costs of timbre, register and order (``instruments``, in nats, less
those of a usual tone), and a step from frame to frame the cost of leaps. A tone has the more say
the louder it is: w = min(1, sqrt(x)) at the level x relative to the usual one, and 0 where it is
faint. The costs are

    evidence = max_m w_m (weight_misfit misfit - weight_probability log_prob
                          + weight_rest sum_m (1 - w_m)
                          + weight_unison sum_(m near m') min(w_m, w_m')),                      (1)
    timbre   = weight_timbre (d / 2) (min(e / r, 8) - 1),                                       (2)
    register = weight_register min(z^2 / 2 + log(s / 4), 8),  z = (pitch - mean) / s,          (3)
    level    = weight_level min(z^2 / 2 + log(s / 0.7), 8),  z = (log x - mean) / s,            (4)
    order    = -weight_order sum_(m above m') min(w_m, w_m') log q[i_m, i_m'] / (v - 1),        (5)
    state    = evidence + sum_m w_m (timbre + register + level) + order,                        (6)
    leap     = weight_leap min(w, w') min(log(1 + semitones / leap_scale), leap_limit).         (7)

The rest of the timbre's -log p is the same for all tones. It has no say in the choice of a path,
but has where paths with other instruments are compared, for each tone w times

    unlikeness = weight_timbre (3 / 2) log r.                                                   (8)

Two tones within ``UNISON_SEMITONES`` are near each other in (1): more often than a unison, they are
one tone that wavers, while another instrument rests. In (1) the rests are counted over the loudest
tones, as many as there are instruments: one that can play chords does not rest where it plays a
single tone. How much one costs follows from how often instruments rest (``rests``). The level has a
say only where instruments have different numbers of voices. There it tells a leading line from what
goes with it; between single lines it said nothing: duets stayed as they were, and two quartets lost
2 % of their tones.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``m`` tones of a hypothesis, ``v`` voices (as
many), ``i`` instruments, ``a`` assignments of tones to voices, ``h`` harmonics, those of all
channels in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.players.instruments import Array, Choice, Instruments

MOST_NATS = 8.0
"""Most that a tone's register counts before its weight, and how many times as far as usual its
timbre may be at most: a few tones unlike the instrument's others are allowed."""
USUAL_SPREAD = 4.0
"""Standard deviation of an instrument's pitch, in semitones, at which a tone at its mean costs
nothing: in a narrower register it is rather taken for real, in a wider one rather for none."""
USUAL_LEVEL_SPREAD = 0.7
"""Standard deviation of an instrument's level, in nats, at which a tone at its mean is free."""
USUAL_DIMENSIONS = 3.0
"""d where other instruments are compared: with their own d, those of many dimensions would win."""
UNISON_SEMITONES = 0.6
"""Distance below which two tones are taken to have one pitch: as far as a vibrato reaches."""
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
    weight_timbre: float = 0.3
    """Cost per nat by which a tone's timbre is unlike its instrument's. A third: as neighbouring
    frames overlap, about every third says something new."""
    weight_harmonics: float = field(default=5.0, metadata={"least": 0})
    """Cost of a frame whose harmonics have nothing in common with what the instruments' timbres at
    these pitches give: when it is decoded again, with the timbres learned; 0 decodes once."""
    weight_register: float = 0.3
    """Cost per nat by which a tone's pitch is unlike those of its instrument."""
    weight_level: float = 0.3
    """Cost per nat by which a tone's level is unlike those of its instrument."""
    weight_order: float = 0.3
    """Cost per nat by which it is improbable who plays above whom."""
    weight_rest: float = 1.5
    """Cost of a voice that rests while others sound, in music with few rests (``rests``). A faint
    tone pays its share of it, or else a rest would always be cheaper than a tone that fits less
    than perfectly."""
    weight_unison: float = field(default=0.0, metadata={"least": 0})
    """Cost of two tones at nearly one pitch. Of two instruments one more often rests; four often
    meet in a unison."""
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
    states: int = field(default=96, metadata={"least": 1})
    """Most choices of tones and players that are followed from every frame to the next, those with
    the least cost. Two instruments have fewer; four have a thousand."""


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


@dataclass(frozen=True)
class Weighed(FrameRows):
    """Hypotheses of some frames, and the costs that do not change from round to round.

    Attributes:
        pitch: MIDI numbers, ``[n, s, m]``.
        timbres: ``[n, s, m, h]``.
        level: natural logarithm of the loudness relative to the usual one, ``[n, s, m]``.
        weights: w, how much say a tone has, from 0 to 1, ``[n, s, m]``.
        say: how much say the frame has, that of its loudest tone, ``[n]``.
        evidence: (1), the cost of the hypotheses whoever plays them, ``[n, s]``.
    """

    pitch: Array
    timbres: Array
    level: Array
    weights: Array
    say: Array
    evidence: Array

    @classmethod
    def of(
        cls,
        candidates: Candidates,
        config: DecodingConfig,
        loud: float,
        n_expected: int | None = None,
    ) -> Weighed:
        """Return hypotheses weighed by how loud a tone usually is.

        Args:
            candidates: the hypotheses.
            config: weights.
            loud: the usual loudness.
            n_expected: how many tones a frame is expected to hold, one of every instrument; None
                for all.
        """
        level = candidates.loudness / max(loud, TINY)
        say = np.sqrt(np.minimum(level, 1.0))
        weights = np.where(level < config.faint, 0.0, say)
        evidence = (
            config.weight_misfit * candidates.misfit
            - config.weight_probability * candidates.log_prob
        )
        loudest = weights if n_expected is None else np.sort(weights, 2)[..., -n_expected:]
        evidence += config.weight_rest * (1 - loudest).sum(2)
        evidence += config.weight_unison * unisons(candidates.pitch_semitones, weights)
        return cls(
            pitch=candidates.pitch_semitones,
            timbres=candidates.timbres,
            level=np.log(np.maximum(level, config.faint)),
            weights=weights,
            say=say.max((1, 2)),
            evidence=say.max((1, 2))[:, None] * evidence,  # (1)
        )


def usual_loudness(loudness: Array) -> float:
    """Return the mean loudness, weighted by loudness: rests do not lower it."""
    return float((loudness**2).sum() / max(float(loudness.sum()), TINY))


def of_tones(frames: Weighed, instruments: Instruments, config: DecodingConfig) -> Array:
    """Return the part of (6) that depends on the player, of every tone, ``[n, s, m, i]``.

    Args:
        frames: the hypotheses.
        instruments: what is known of the players.
        config: weights.
    """
    spread, mean = instruments.spread_semitones, instruments.register_semitones
    z = (frames.pitch[..., None] - mean) / spread
    register = np.minimum(0.5 * z**2 + np.log(spread / USUAL_SPREAD), MOST_NATS)  # (3)
    far = distances(frames.timbres, instruments.timbres) / instruments.timbre_spread  # e / r
    timbre = 0.5 * instruments.timbre_dimensions * (np.minimum(far, MOST_NATS) - 1)  # (2)
    trusted = config.weight_register * instruments.trust_in_lines
    cost: Array = config.weight_timbre * timbre + trusted * register
    if config.weight_level > 0:
        spread = instruments.spread_nats
        z = (frames.level[..., None] - instruments.level_nats) / spread
        level = np.minimum(0.5 * z**2 + np.log(spread / USUAL_LEVEL_SPREAD), MOST_NATS)  # (4)
        cost = cost + config.weight_level * level
    return frames.weights[..., None] * cost


def unlikeness(instruments: Instruments, config: DecodingConfig) -> float:
    """Return (8), the cost of a tone that follows from how unlike an instrument's tones are."""
    spread = instruments.timbre_spread
    return config.weight_timbre * 0.5 * USUAL_DIMENSIONS * float(np.log(spread))


def distances(timbres: Array, of_instruments: Array) -> Array:
    """Return e = 1 - cos^2 between timbres ``[..., h]`` and ``[i, h]``, ``[..., i]``."""
    distance: Array = 1 - (timbres @ of_instruments.T.astype(timbres.dtype)) ** 2
    return distance


def unisons(pitch: Array, weights: Array) -> Array:
    """Return how many pairs of tones ``[..., m]`` have one pitch, by how much say they have.

    >>> pitch = np.array([60.0, 60.3, 67.0])
    >>> float(unisons(pitch, np.array([1.0, 0.5, 1.0])))
    0.5
    """
    total = np.zeros(pitch.shape[:-1], weights.dtype)
    for tone, other in combinations(range(pitch.shape[-1]), 2):
        near = np.abs(pitch[..., tone] - pitch[..., other]) < UNISON_SEMITONES
        total += near * np.minimum(weights[..., tone], weights[..., other])
    return total


def of_order(pitch: Array, weights: Array, players: Choice, above: Array) -> Array:
    """Return (5) before its weight, of what the voices play, ``[...]``.

    Args:
        pitch: MIDI numbers, ``[..., v]``.
        weights: w, ``[..., v]``.
        players: which instrument has each voice, ``[v]``.
        above: q, ``[i, i]``.
    """
    nats = -np.log(above).astype(np.float32)
    total = np.zeros(pitch.shape[:-1], np.float32)
    for voice, other in combinations(range(len(players)), 2):
        i, j = players[voice], players[other]
        if i == j:
            continue
        both = np.minimum(weights[..., voice], weights[..., other])
        higher = pitch[..., voice] > pitch[..., other]
        total += both * np.where(higher, nats[i, j], nats[j, i])
    return total


def of_leaps(pitch: Array, weights: Array, config: DecodingConfig, players: Choice) -> Array:
    """Return the sum of (7) over all voices, from every state to all of the next frame.

    Voices of one instrument are exchangeable: each tone leaps from, and to, the nearest of its
    instrument's tones, and the mean of both is counted; a tone that begins or ends where its
    instrument has no other leaps as far as counts.

    Args:
        pitch: what the voices play in every state, ``[n, p, v]``.
        weights: w, ``[n, p, v]``.
        config: weights.
        players: which instrument has each voice, ``[v]``.

    Returns:
        ``[n - 1, p before, p after]``.
    """
    n_frames, n_states, _ = pitch.shape
    total = np.zeros((n_frames - 1, n_states, n_states), np.float32)
    if not config.over_time or config.weight_leap == 0:
        return total
    scale, limit = np.float32(config.leap_scale_semitones), np.float32(config.leap_limit)
    pitch, weights = pitch.astype(np.float32), weights.astype(np.float32)

    def leap(before: Any, after: Any) -> Array:
        """Return the leap between two voices, ``[n - 1, p, p]``."""
        semitones = pitch[:-1, :, None, before] - pitch[1:, None, :, after]
        size: Array = np.minimum(np.log1p(np.abs(semitones, out=semitones) / scale), limit)
        return size

    for player in range(int(players.max()) + 1):
        voices = np.flatnonzero(players == player)
        if len(voices) == 1:
            (voice,) = voices
            # A leap to or from a tone that is hardly heard costs little.
            heard = np.minimum(weights[:-1, :, None, voice], weights[1:, None, :, voice])
            total = total + leap(voice, voice) * heard
            continue
        from_nearest = np.full((len(voices), *total.shape), limit, np.float32)
        to_nearest = from_nearest.copy()
        for a, before in enumerate(voices):
            for b, after in enumerate(voices):
                size = leap(before, after)
                # A tone that is hardly heard is nobody's neighbour.
                there = np.where(weights[:-1, :, None, before] > 0, size, limit)
                np.minimum(from_nearest[b], there, out=from_nearest[b])
                there = np.where(weights[1:, None, :, after] > 0, size, limit)
                np.minimum(to_nearest[a], there, out=to_nearest[a])
        for a, voice in enumerate(voices):
            total += 0.5 * weights[1:, None, :, voice] * from_nearest[a]
            total += 0.5 * weights[:-1, :, None, voice] * to_nearest[a]
    total *= np.float32(config.weight_leap)  # (7)
    return total
