"""Pitch picture: the fundamental of every instrument over time.

Axes of arrays: `i` instruments, `n` frames.
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]

RANGE_DB = 40.0

_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_A4_HZ, _A4_MIDI = 440.0, 69
# Semitones above C that get a name, by the span of the axis in semitones.
_NAMED = {14: tuple(range(12)), 26: (0, 2, 4, 5, 7, 9, 11), 50: (0, 4, 7), 1000: (0,)}
_TICKS_HZ = (20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000)
_LEAST_SPAN = 12.0
_MARGIN = 1.5
_EMPTY_MIDI = (48.0, 72.0)
_MOST_FRAMES = 4000  # four to a pixel


def write_pitch(
    path: Path,
    times_s: Values,
    f0_hz: Values,
    amplitude: Values,
    on: NDArray[np.bool_],
    *,
    names: Sequence[str] | None = None,
    title: str = "Pitch",
) -> None:
    """Write pitch tracks as a PNG: one colour per instrument, stronger where it is louder.

    Args:
        path: The file to write or replace.
        times_s: [n], the middle of every frame, rising.
        f0_hz: [i, n], fundamental; of no matter where an instrument is off.
        amplitude: [i, n]; what is 40 dB below the loudest tone of all is nearly white.
        on: [i, n], whether the instrument plays.
        names: Of the instruments; "instrument 1" and so on if None.
        title: Drawn above, as it stands.

    Raises:
        OutputError: The file system refuses.
    """
    figure = canvas.new_figure()
    axes = figure.subplots()
    axes.set_title(canvas.plain(title))
    canvas.draw_quietly(axes)
    sounding = on & np.isfinite(f0_hz) & (f0_hz > 0) & np.isfinite(amplitude)
    midi = _midi(np.where(sounding, f0_hz, _A4_HZ))
    strength = _strength(np.where(sounding, amplitude, 0.0))
    edges_s = _edges(times_s)
    for number, name in enumerate(canvas.instrument_names(names, len(midi))):
        dashes = _dashes(edges_s, midi[number], np.where(sounding, strength, -1.0)[number])
        _draw_track(axes, dashes, canvas.colour(number))
        # A line without points, for the legend.
        axes.plot([], [], color=canvas.colour(number), linewidth=3, label=name)
    canvas.label_time(axes, float(edges_s[-1]))
    _label_pitch(axes, midi[sounding])
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    canvas.save(figure, path)


def _strength(amplitude: Values) -> Values:
    """From 0, for 40 dB below the loudest tone of all and less, to 1."""
    loudest = amplitude.max(initial=0.0) or 1.0
    level_db = 20 * np.log10(np.maximum(amplitude / loudest, 1e-10))
    strength: Values = np.clip(1 + level_db / RANGE_DB, 0.0, 1.0)
    return strength


def _edges(times_s: Values) -> Values:
    """Where every frame starts, and where the last one ends, [n + 1]."""
    if len(times_s) < 2:
        return np.array([0.0, *(2 * times_s or [1.0])])
    middles = (times_s[:-1] + times_s[1:]) / 2
    last = 2 * times_s[-1] - middles[-1]
    return np.array([max(2 * times_s[0] - middles[0], 0.0), *middles, last])


@dataclass(frozen=True, kw_only=True)
class _Dashes:
    """What is drawn: short level lines, which show no slide where a pitch jumps.

    Attributes:
        start_s: [d].
        end_s: [d].
        midi: [d], 60 is C4.
        strength: [d], from 0 to 1.
    """

    start_s: Values
    end_s: Values
    midi: Values
    strength: Values


def _dashes(edges_s: Values, midi: Values, strength: Values) -> _Dashes:
    """One dash for every frame, or of every few frames the strongest; none below strength 0."""
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
    """Name the notes on the left, from C to C where there are many, and give Hz on the right."""
    low, high = (midi.min(), midi.max()) if midi.size else _EMPTY_MIDI
    margin = max(_MARGIN, (_LEAST_SPAN - (high - low)) / 2)
    low, high = low - margin, high + margin
    axes.set_ylim(low, high)
    axes.set_ylabel("pitch")
    named = next(steps for span, steps in _NAMED.items() if high - low <= span)
    notes = [note for note in range(ceil(low), int(high) + 1) if note % 12 in named]
    axes.set_yticks(notes, [note_name(note) for note in notes])
    right = axes.secondary_yaxis("right")
    shown = [hz for hz in _TICKS_HZ if low <= _midi(hz) <= high]
    right.set_yticks([_midi(hz) for hz in shown], [canvas.label_hz(hz) for hz in shown])
    right.set_ylabel("frequency in Hz")


def note_name(midi: int) -> str:
    """The name of a note, with C4 in the middle of the piano.

    >>> note_name(60), note_name(70)
    ('C4', 'A♯4')
    """
    return f"{_NOTES[midi % 12]}{midi // 12 - 1}"


def _midi(f0_hz: Values | float) -> Values:
    """Note numbers, 69 for 440 Hz and a semitone each."""
    number: Values = _A4_MIDI + 12 * np.log2(np.asarray(f0_hz) / _A4_HZ)
    return number
