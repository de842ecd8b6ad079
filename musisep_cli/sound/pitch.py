"""Pitch: frequencies as MIDI numbers and as names of notes.

A MIDI number counts semitones, 69 for the A of 440 Hz; a fraction lies between two keys.
Everything that turns hertz into semitones, or back, on numbers and NumPy arrays does it here.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

A4_HZ = 440.0
"""Frequency in Hz of the concert pitch A4 (ISO 16)."""
A4_MIDI = 69
"""MIDI number of that A, by the MIDI standard."""
SEMITONES_PER_OCTAVE = 12
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""Names of the twelve keys of an octave, from C up."""

Number = TypeVar("Number", bound=np.floating[Any])


@overload
def midi_number(f0_hz: float) -> float: ...
@overload
def midi_number(f0_hz: NDArray[Number]) -> NDArray[Number]: ...
def midi_number(f0_hz: float | NDArray[Number]) -> float | NDArray[Number]:
    """Return 69 + 12 log2(f / 440 Hz): the pitch in semitones, with its fraction.

    Args:
        f0_hz: fundamental in Hz, above 0; a number or an array of any shape.

    Returns:
        MIDI numbers in the same shape; NaN where the frequency is NaN.

    >>> midi_number(880.0)
    81.0
    """
    number: NDArray[Number] = A4_MIDI + SEMITONES_PER_OCTAVE * np.log2(np.asarray(f0_hz) / A4_HZ)
    return float(number) if np.ndim(f0_hz) == 0 else number


@overload
def frequency_hz(midi: float) -> float: ...
@overload
def frequency_hz(midi: NDArray[Number]) -> NDArray[Number]: ...
def frequency_hz(midi: float | NDArray[Number]) -> float | NDArray[Number]:
    """Return 440 Hz * 2^((m - 69) / 12), the frequency of a MIDI number with its fraction.

    Args:
        midi: a number or an array of any shape.

    >>> frequency_hz(81)
    880.0
    """
    found: Any = A4_HZ * 2 ** ((np.asarray(midi) - A4_MIDI) / SEMITONES_PER_OCTAVE)
    return float(found) if np.ndim(midi) == 0 else found


def note_name(midi: int, *, sharp: str = "#") -> str:
    """Return the name of a key, with C4 in the middle of the piano.

    Args:
        midi: number of the key; 60 is C4.
        sharp: sign of the black keys.

    >>> note_name(60), note_name(70), note_name(70, sharp="♯")
    ('C4', 'A#4', 'A♯4')
    """
    octave, key = divmod(midi, SEMITONES_PER_OCTAVE)
    return f"{NOTES[key].replace('#', sharp)}{octave - 1}"
