"""Pitch picture: the fundamental frequency of every instrument over time.

Axes: ``i`` instruments, ``n`` frames, ``d`` dashes (the short lines that are drawn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures import canvas
from musisep_cli.sound.level import decibels_of
from musisep_cli.sound.pitch import A4_HZ, SEMITONES_PER_OCTAVE, midi_number, note_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]

RANGE_DB = 40.0
"""Range of levels in dB, from the loudest tone down, that the strength of a line shows."""
_NAMED = {14: tuple(range(12)), 26: (0, 2, 4, 5, 7, 9, 11), 50: (0, 4, 7), 1000: (0,)}
"""Longest axis in semitones, to the keys that are named on it, in semitones above C."""
_TICKS_HZ = (20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000)
"""Frequencies in Hz that are marked on the right."""
_LEAST_SPAN = 12.0
"""Shortest pitch axis in semitones, so that a vibrato does not look like a melody."""
_MARGIN = 1.5
"""Room in semitones above the highest and below the lowest pitch."""
_EMPTY_MIDI = (48.0, 72.0)
"""Range of the axis, C3 to C5, where no instrument plays."""
_MOST_FRAMES = 4000
"""Largest number of dashes that are drawn per instrument, some four to a pixel."""


def write_pitch(
    path: Path,
    times_s: Values,
    f0_hz: Values,
    amplitude: Values,
    on: NDArray[np.bool_],
    *,
    names: Sequence[str] | None = None,
    of_voices: Sequence[int] | None = None,
    title: str = "Pitch",
) -> None:
    """Write pitch tracks as a PNG: one colour per instrument, stronger where it is louder.

    Args:
        path: the file to write or replace.
        times_s: middle of every frame in s, rising, ``[n]``.
        f0_hz: fundamental in Hz, ``[v, n]``; ignored where the voice is off.
        amplitude: amplitude of the tone, ``[v, n]``; tones 40 dB below the loudest of all are
            nearly white.
        on: whether the voice sounds, ``[v, n]``.
        names: names of the instruments; "instrument 1" and so on if None.
        of_voices: which instrument has each voice, ``[v]``; None for one voice each.
        title: drawn above the picture as it stands.

    Raises:
        OutputError: the file system refuses.
    """
    figure = canvas.new_figure()
    axes = figure.subplots()
    axes.set_title(canvas.plain(title))
    canvas.draw_quietly(axes)
    sounding = on & np.isfinite(f0_hz) & (f0_hz > 0) & np.isfinite(amplitude)
    midi = midi_number(np.where(sounding, f0_hz, A4_HZ))
    strength = _strength(np.where(sounding, amplitude, 0.0))
    edges_s = _edges(times_s)
    players = range(len(midi)) if of_voices is None else of_voices
    for voice, player in enumerate(players):
        dashes = _dashes(edges_s, midi[voice], np.where(sounding, strength, -1.0)[voice])
        _draw_track(axes, dashes, canvas.colour(player))
    for number, name in enumerate(canvas.instrument_names(names, max(players, default=-1) + 1)):
        # A line without points, for the legend.
        axes.plot([], [], color=canvas.colour(number), linewidth=3, label=name)
    canvas.label_time(axes, float(edges_s[-1]))
    _label_pitch(axes, midi[sounding])
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    canvas.save(figure, path)


def _strength(amplitude: Values) -> Values:
    """Return how strongly each tone is drawn, from 0 (40 dB below the loudest, or less) to 1."""
    loudest = amplitude.max(initial=0.0) or 1.0
    level_db = decibels_of(amplitude / loudest)
    strength: Values = np.clip(1 + level_db / RANGE_DB, 0.0, 1.0)
    return strength


def _edges(times_s: Values) -> Values:
    """Return where every frame starts, and where the last one ends, in s, ``[n + 1]``."""
    if len(times_s) < 2:
        # A single frame is centred at its time; a track without frames gets an axis of 1 s.
        return np.array([0.0, *(2 * times_s if len(times_s) else [1.0])])
    middles = (times_s[:-1] + times_s[1:]) / 2
    last = 2 * times_s[-1] - middles[-1]
    return np.array([max(2 * times_s[0] - middles[0], 0.0), *middles, last])


@dataclass(frozen=True, kw_only=True)
class _Dashes:
    """Short level lines; one line through all frames would show a slide where the pitch jumps.

    Attributes:
        start_s: left end in s, ``[d]``.
        end_s: right end in s, ``[d]``.
        midi: height as a MIDI number with its fraction, ``[d]``.
        strength: thickness and opacity from 0 to 1, ``[d]``.
    """

    start_s: Values
    end_s: Values
    midi: Values
    strength: Values


def _dashes(edges_s: Values, midi: Values, strength: Values) -> _Dashes:
    """Return a dash for every frame, or for the strongest of every few frames of a long track.

    Args:
        edges_s: start of every frame and end of the last, in s, ``[n + 1]``.
        midi: pitch of one instrument, ``[n]``.
        strength: strength from 0 to 1, ``[n]``; below 0 where it does not play: no dash.
    """
    size = -(-len(midi) // _MOST_FRAMES) or 1
    starts = np.arange(0, len(midi), size)
    padded = np.pad(strength, (0, -len(midi) % size), constant_values=-1.0)
    best = starts + padded.reshape(-1, size).argmax(axis=1)
    ends = np.minimum(starts + size, len(midi))
    shown = strength[best] >= 0
    return _Dashes(
        start_s=edges_s[starts][shown],
        end_s=edges_s[ends][shown],
        midi=midi[best][shown],
        strength=strength[best][shown],
    )


def _draw_track(axes: Axes, dashes: _Dashes, colour: str) -> None:
    """Draw the dashes of one instrument, thick and dark where it is loud."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    left = np.stack([dashes.start_s, dashes.midi], axis=-1)
    right = np.stack([dashes.end_s, dashes.midi], axis=-1)
    opacity = 0.15 + 0.85 * dashes.strength
    rgba = np.column_stack([np.tile(to_rgb(colour), (len(opacity), 1)), opacity])
    track = LineCollection(
        list(np.stack([left, right], axis=1)),
        colors=rgba,
        linewidths=1.5 + 3.0 * dashes.strength,
        capstyle="butt",
    )
    axes.add_collection(track, autolim=False)


def _label_pitch(axes: Axes, midi: Values) -> None:
    """Name notes on the left, fewer of each octave the longer the axis, and mark Hz on the right.

    Args:
        axes: their vertical axis counts MIDI numbers.
        midi: all pitches that are drawn, of any number.
    """
    low, high = (midi.min(), midi.max()) if midi.size else _EMPTY_MIDI
    margin = max(_MARGIN, (_LEAST_SPAN - (high - low)) / 2)
    low, high = low - margin, high + margin
    axes.set_ylim(low, high)
    axes.set_ylabel("pitch")
    named = next(steps for span, steps in _NAMED.items() if high - low <= span)
    keys = [key for key in range(ceil(low), int(high) + 1) if key % SEMITONES_PER_OCTAVE in named]
    axes.set_yticks(keys, [note_name(key, sharp="♯") for key in keys])
    right = axes.secondary_yaxis("right")
    shown = [hz for hz in _TICKS_HZ if low <= midi_number(hz) <= high]
    right.set_yticks([midi_number(hz) for hz in shown], [canvas.label_hz(hz) for hz in shown])
    right.set_ylabel("frequency in Hz")
