"""Compiled timbre: the multiplicative updates of ``timbre``, frame by frame in machine code.

A frame has a few tones with some dozens of harmonics each, and the updates (3) and (4) of
``timbre`` go over them some hundred times: one frame at a time, all of that stays in the
processor's cache. Numbers of equations are those of ``timbre``.

Axes: ``n`` frames, ``k`` ways to share out a frame's tones, ``t`` tones of a frame, ``j`` places,
``r`` rows of a table (instruments times semitones), ``h`` harmonics.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled

Reals: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.integer[Any]]

BACKGROUND = 1e-3
"""Magnitude besides the tones, relative to a frame's strongest harmonic: keeps the ratio finite."""
TINY = 1e-12
"""Magnitude below which a sum counts as 0, and by no less than which anything is divided."""


@compiled
def updated_levels(
    table: Reals,
    rows: Integers,
    strength: Reals,
    nearest: Integers,
    overlap: Reals,
    start: Reals,
    n_updates: int,
) -> Reals:
    """Return the levels of all tones after some updates (3), 0 for those that are off, ``[n, t]``.

    Args:
        table: T, ``[r, h]``.
        rows: row of the table of every tone, ``[n, t]``.
        strength: y_j, ``[n, j]``.
        nearest: which harmonic of tone t is nearest to place j, ``[n, t, j]``.
        overlap: e, ``[n, t, j]``.
        start: first levels, ``[n, t]``.
        n_updates: how often (3) is applied.
    """
    levels = np.empty_like(start)
    templates, model = _room(strength, overlap)
    for n in range(len(levels)):
        for t in range(levels.shape[1]):
            levels[n, t] = start[n, t]
        _templates(table, rows[n], nearest[n], overlap[n], templates)
        _update(templates, strength[n], _background(strength[n]), n_updates, levels[n], model)
    return levels


@compiled
def misfits(
    table: Reals,
    frames: Integers,
    rows: Integers,
    strength: Reals,
    nearest: Integers,
    overlap: Reals,
    n_updates: int,
) -> Reals:
    """Return the divergence (2) at the best levels, relative to sum_j y_j, ``[k]``.

    Args:
        table: T, ``[r, h]``.
        frames: the frame that is explained, ``[k]``.
        rows: row of the table of every tone, ``[k, t]``.
        strength: y_j, ``[n, j]``.
        nearest: which harmonic of tone t is nearest to place j, ``[n, t, j]``.
        overlap: e, ``[n, t, j]``.
        n_updates: how often (3) is applied.
    """
    found = np.empty(len(frames), strength.dtype)
    levels = np.empty(rows.shape[1], strength.dtype)
    templates, model = _room(strength, overlap)
    for k in range(len(frames)):
        n = frames[k]
        background = _background(strength[n])
        _templates(table, rows[k], nearest[n], overlap[n], templates)
        strongest = _strongest(strength[n])
        for t in range(len(levels)):
            levels[t] = strongest
        _update(templates, strength[n], background, n_updates, levels, model)
        _explain(templates, levels, background, model)
        divergence, total = 0.0, 0.0
        for j in range(len(model)):
            seen = strength[n, j] + background
            divergence += seen * math.log(seen / model[j]) - seen + model[j]  # (2)
            total += seen
        found[k] = divergence / total
    return found


@compiled
def add_sums(
    table: Reals,
    rows: Integers,
    strength: Reals,
    nearest: Integers,
    overlap: Reals,
    levels: Reals,
    products: Reals,
    weights: Reals,
) -> None:
    """Add the inner sums of (4) over some frames, sum l e r T and sum l e, one per table entry.

    Args:
        table: T, ``[r, h]``.
        rows: row of the table of every tone, ``[n, t]``.
        strength: y_j, ``[n, j]``.
        nearest: which harmonic of tone t is nearest to place j, ``[n, t, j]``.
        overlap: e, ``[n, t, j]``.
        levels: l, ``[n, t]``.
        products: what the first sums are added to, ``[r, h]``.
        weights: what the second sums are added to, ``[r, h]``.
    """
    templates, model = _room(strength, overlap)
    for n in range(len(levels)):
        background = _background(strength[n])
        _templates(table, rows[n], nearest[n], overlap[n], templates)
        _explain(templates, levels[n], background, model)
        for j in range(len(model)):
            model[j] = (strength[n, j] + background) / model[j]  # r
        for t in range(len(templates)):
            row, level = rows[n, t], levels[n, t]
            for j in range(len(model)):
                h = nearest[n, t, j]
                products[row, h] += level * templates[t, j] * model[j]
                weights[row, h] += level * overlap[n, t, j]


@compiled
def _room(strength: Reals, overlap: Reals) -> tuple[Reals, Reals]:
    """Return arrays for the templates ``[t, j]`` and the model ``[j]`` of a frame."""
    return np.empty(overlap.shape[1:], strength.dtype), np.empty(strength.shape[1], strength.dtype)


@compiled
def _background(strength: Reals) -> float:
    """Return the magnitude that is added to a frame's data ``[j]`` and model alike."""
    return max(BACKGROUND * _strongest(strength), TINY)


@compiled
def _strongest(strength: Reals) -> float:
    """Return the greatest of the magnitudes ``[j]`` of a frame."""
    most = 0.0
    for value in strength:
        most = max(most, value)
    return most


@compiled
def _templates(
    table: Reals, rows: Integers, nearest: Integers, overlap: Reals, templates: Reals
) -> None:
    """Write B of (1), what every tone at level 1 gives at every place, to ``templates [t, j]``."""
    for t in range(len(templates)):
        relative = table[rows[t]]
        for j in range(templates.shape[1]):
            templates[t, j] = relative[nearest[t, j]] * overlap[t, j]


@compiled
def _explain(templates: Reals, levels: Reals, background: float, model: Reals) -> None:
    """Write (1) to ``model [j]``."""
    for j in range(len(model)):
        model[j] = background
    for t in range(len(templates)):
        for j in range(len(model)):
            model[j] += levels[t] * templates[t, j]


@compiled
def _update(
    templates: Reals,
    strength: Reals,
    background: float,
    n_updates: int,
    levels: Reals,
    model: Reals,
) -> None:
    """Apply (3) to the levels ``[t]`` of a frame; ``model [j]`` is written to on the way."""
    totals = np.zeros(len(templates))
    for t in range(len(templates)):
        for value in templates[t]:
            totals[t] += value
    for _ in range(n_updates):
        _explain(templates, levels, background, model)
        for j in range(len(model)):
            model[j] = (strength[j] + background) / model[j]  # r
        for t in range(len(templates)):
            pull = 0.0
            for j in range(len(model)):
                pull += templates[t, j] * model[j]
            levels[t] *= pull / max(totals[t], TINY)  # (3)
    for t in range(len(templates)):
        if totals[t] <= 0:
            levels[t] = 0
