"""Strands: which voice of an instrument goes on with which tone of the next frame.

A path tells which tones an instrument plays in every frame, not which of them belong together in
time. Each voice holds on to its note as long as that sounds, and a new note goes to the voice whose
last note was nearest.

Axes: ``n`` frames, ``v`` voices of all instruments in a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from musisep_cli.players.instruments import Array, Choice
from musisep_cli.tones.tones import NOTE_SEMITONES

TAKEN_OVER = 100.0
"""Semitones by which a voice that holds a note is further away from every other note."""
AS_GIVEN = 1e-6
"""Semitones by which a voice is nearer to the tone in its own column, taken among equals."""


def strands(semitones: Array, weights: Array, players: Choice) -> Choice:
    """Return which of a frame's tones each voice plays, so that notes stay with their voices.

    Args:
        semitones: pitches of the tones of every frame, sorted by instrument, ``[n, v]``.
        weights: how much say each has, 0 for those that do not sound, ``[n, v]``.
        players: which instrument has each voice, ``[v]``.

    Returns:
        For every voice the column of its tone, ``[n, v]``.

    >>> semitones = np.array([[60.0, 64.0], [64.1, 67.0]])
    >>> order = strands(semitones, np.ones((2, 2)), np.array([0, 0]))
    >>> np.take_along_axis(semitones, order, 1).tolist()
    [[60.0, 64.0], [67.0, 64.1]]
    """
    order: Choice = np.tile(np.arange(len(players)), (len(semitones), 1))
    for player in np.unique(players):
        voices = np.flatnonzero(players == player)
        if len(voices) > 1:
            order[:, voices] = voices[_of_instrument(semitones[:, voices], weights[:, voices] > 0)]
    return order


def _of_instrument(semitones: Array, sounding: NDArray[np.bool_]) -> Choice:
    """Return the same for the voices of one instrument, ``[n, v]``."""
    n_frames, n_voices = semitones.shape
    order = np.tile(np.arange(n_voices), (n_frames, 1))
    last = np.full(n_voices, semitones[sounding].mean() if sounding.any() else 0.0)
    held, elsewhere = np.zeros(n_voices, bool), ~np.eye(n_voices, dtype=bool)
    for frame in range(n_frames):
        now, on = semitones[frame], sounding[frame]
        distance = np.abs(now - last[:, None])  # voices, tones
        another = held[:, None] & (distance > NOTE_SEMITONES)
        cost = np.where(on, distance + TAKEN_OVER * another, 0.0) + AS_GIVEN * elsewhere
        _, order[frame] = linear_sum_assignment(cost)
        held = on[order[frame]]
        last = np.where(held, now[order[frame]], last)
    return order
