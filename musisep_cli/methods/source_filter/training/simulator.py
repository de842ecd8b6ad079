"""Simulator: phrases of imaginary singers and melodic instruments, with their pitch.

No recording and no label is used. A phrase has notes and rests, glides between its notes, vibrato,
a level for every note and short ramps; harmonics that fall with frequency, with formants, which
change from note to note for singers and stay for instruments; breath, sometimes a consonant before
a note; and a third of the phrases sound in a small room.

Axes: ``t`` samples, ``n`` frames of 16 ms, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from musisep_cli.methods.source_filter.source import HOP_SAMPLES, RATE_HZ

Values: TypeAlias = NDArray[np.floating[Any]]
N_FRAMES = 250
"""Length of a phrase in frames: 4 s."""
LOWEST_KEY, HIGHEST_KEY = 38.0, 86.0
"""Range of the middle of a phrase's register, MIDI numbers: 73 to 1175 Hz."""
MOST_HARMONICS = 80
"""Largest number of harmonics that are made."""
REST = 0.15
"""Share of the notes that are rests."""
LEAST_NOTE_S, MOST_NOTE_S = 0.15, 1.5
"""Range of a note's length in s."""


@dataclass(frozen=True)
class Phrase:
    """A phrase of one voice.

    Attributes:
        sound: float32, RMS 0.1, ``[t]``.
        f0_hz: pitch in the middle of every frame, 0 in rests, ``[n]``.
    """

    sound: NDArray[np.float32]
    f0_hz: NDArray[np.float32]


@dataclass(frozen=True)
class _Notes:
    """Notes at the frames, each ``[n]``: their number, pitch, and whether they are no rests."""

    number: NDArray[np.int64]
    keys: Values
    on: NDArray[np.bool_]


def phrase(draw: np.random.Generator) -> Phrase:
    """Draw a phrase of ``N_FRAMES`` frames."""
    notes = _notes(draw)
    semitones = _contour(notes, draw)
    times = np.arange(N_FRAMES * HOP_SAMPLES) / HOP_SAMPLES
    frames = np.arange(N_FRAMES)
    f0_hz = 440 * 2 ** ((np.interp(times, frames, semitones) - 69) / 12)
    envelope = np.interp(times, frames, _levels(notes, draw))
    sound: Values = _harmonics(f0_hz, notes, draw) * envelope
    sound = sound / max(_rms(sound), 1e-9)
    sound = sound + _noise(envelope, notes, draw)
    if draw.random() < 0.35:
        sound = _in_a_room(sound, draw)
    return Phrase(
        sound=(0.1 * sound / max(_rms(sound), 1e-9)).astype(np.float32),
        f0_hz=np.where(notes.on, 440 * 2 ** ((semitones - 69) / 12), 0.0).astype(np.float32),
    )


def _rms(sound: Values) -> float:
    """Return the root of the mean square of a sound."""
    return float(np.sqrt(np.square(sound).mean()))


def _notes(draw: np.random.Generator) -> _Notes:
    """Draw the notes of a phrase; the first one is no rest."""
    middle = draw.uniform(LOWEST_KEY, HIGHEST_KEY)
    number, keys, on = np.zeros(N_FRAMES, np.int64), np.zeros(N_FRAMES), np.zeros(N_FRAMES, bool)
    first, count, key = 0, 0, middle
    while first < N_FRAMES:
        length_s = np.exp(draw.uniform(np.log(LEAST_NOTE_S), np.log(MOST_NOTE_S)))
        last = first + max(round(length_s * RATE_HZ / HOP_SAMPLES), 4)
        here = slice(first, last)
        key = float(np.clip(key + draw.normal(0, 3.5), middle - 9, middle + 9))
        number[here], keys[here] = count, key
        on[here] = count == 0 or draw.random() > REST
        first, count = last, count + 1
    return _Notes(number, keys, on)


def _contour(notes: _Notes, draw: np.random.Generator) -> Values:
    """Return the pitch of a phrase, with glides and vibrato, MIDI numbers ``[n]``."""
    width = int(draw.integers(1, 7))
    padded = np.pad(notes.keys, (width // 2, width - 1 - width // 2), mode="edge")
    glided = np.convolve(padded, np.full(width, 1 / width), "valid")
    depth = draw.uniform(0.05, 0.7) if draw.random() < 0.65 else 0.0
    times_s = np.arange(N_FRAMES) * HOP_SAMPLES / RATE_HZ
    rate_hz = draw.uniform(4.3, 6.8)
    vibrato = depth * np.sin(2 * np.pi * rate_hz * times_s + draw.uniform(0, 6.28))
    drift = lfilter([0.04], [1, -0.96], draw.normal(0, 0.25, N_FRAMES))
    contour: Values = glided + vibrato + drift
    return contour


def _levels(notes: _Notes, draw: np.random.Generator) -> Values:
    """Return the amplitude of a phrase at the frames, ``[n]``."""
    of_notes = 10 ** (draw.normal(0, 4, notes.number[-1] + 1) / 20)
    decays = draw.uniform(0, 4) if draw.random() < 0.3 else 0.0
    since = np.zeros(N_FRAMES)
    for number in range(int(notes.number[-1]) + 1):
        here = notes.number == number
        since[here] = np.arange(here.sum()) * HOP_SAMPLES / RATE_HZ
    level = of_notes[notes.number] * notes.on * np.exp(-decays * since)
    ramp = np.hanning(int(draw.integers(3, 8)) + 2)
    smooth: Values = np.convolve(level, ramp / ramp.sum(), "same")
    return smooth


def _harmonics(f0_hz: Values, notes: _Notes, draw: np.random.Generator) -> Values:
    """Return the harmonics of a phrase without its levels, ``[t]``."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    shapes = _formants(notes, draw)
    tilt_db, even_db = draw.uniform(3, 14), draw.uniform(4, 30) * (draw.random() < 0.12)
    own_db = draw.normal(0, draw.uniform(0, 4), MOST_HARMONICS + 1)
    f0_frames = f0_hz[::HOP_SAMPLES]
    times, frames = np.arange(len(f0_hz)), np.arange(N_FRAMES) * HOP_SAMPLES
    sound = np.zeros(len(f0_hz), np.float32)
    offset = draw.uniform(0, 6.28, MOST_HARMONICS + 1)
    for h in range(1, MOST_HARMONICS + 1):
        at_hz = h * f0_frames
        if at_hz.min() > RATE_HZ / 2:
            break
        level_db = own_db[h] - tilt_db * np.log2(h) - even_db * (h % 2 == 0) + shapes(at_hz)
        gain = 10 ** (level_db / 20) * (at_hz < RATE_HZ / 2 - 50)
        turned = np.cos(np.float32((h * phase + offset[h]) % (2 * np.pi)), dtype=np.float32)
        sound += np.interp(times, frames, gain).astype(np.float32) * turned
    return sound.astype(np.float64)


def _formants(notes: _Notes, draw: np.random.Generator) -> Any:
    """Return a function from frequencies in Hz ``[n]`` to what formants add there in dB."""
    n_formants, n_notes = int(draw.integers(2, 6)), int(notes.number[-1]) + 1
    centres = np.exp(draw.uniform(np.log(250), np.log(5000), n_formants))
    sings = draw.random() < 0.6
    moved = np.exp(draw.normal(0, 0.25 * sings, (n_notes, n_formants)))[notes.number] * centres
    smooth = lfilter([0.3], [1, -0.7], np.log(moved), axis=0, zi=0.7 * np.log(moved[:1]))[0]
    widths = draw.uniform(0.06, 0.45, n_formants)
    heights_db = draw.uniform(4, 24, n_formants)

    def shape_db(at_hz: Values) -> Values:
        """Return the sum of bells over the logarithm of frequency, ``[n]``."""
        octaves = np.log(np.maximum(at_hz, 20.0))[:, None] - smooth
        added: Values = (heights_db * np.exp(-0.5 * np.square(octaves / widths))).sum(1)
        return added

    return shape_db


def _noise(envelope: Values, notes: _Notes, draw: np.random.Generator) -> Values:
    """Return breath, consonants and the noise of a room for a phrase of RMS 1, ``[t]``."""
    white = draw.normal(size=len(envelope))
    slope = lfilter([1], [1, -draw.uniform(-0.6, 0.95)], white)
    slope = slope / _rms(slope)
    relative = envelope / max(_rms(envelope), 1e-9)
    noise = 10 ** (draw.uniform(-55, -22) / 20) * relative * slope
    noise += 10 ** (draw.uniform(-75, -45) / 20) * draw.normal(size=len(envelope))
    if draw.random() < 0.35:
        starts = np.flatnonzero(np.diff(notes.number)) * HOP_SAMPLES
        high = lfilter([1, -0.9], [1], white)
        for start in starts:
            if draw.random() < 0.5:
                n = int(draw.uniform(0.03, 0.1) * RATE_HZ)
                first = max(int(start) - n // 2, 0)
                burst = high[first : first + n]
                noise[first : first + n] += draw.uniform(0.02, 0.3) * burst * np.hanning(len(burst))
    added: Values = noise
    return added


def _in_a_room(sound: Values, draw: np.random.Generator) -> Values:
    """Return a sound with the decaying noise of a room after it, ``[t]``."""
    length_s = draw.uniform(0.15, 0.6)
    times_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    tail = draw.normal(size=len(times_s)) * np.exp(-6.9 * times_s / length_s)
    tail = tail / np.sqrt(np.square(tail).sum())
    level = 10 ** (draw.uniform(-22, -8) / 20)
    heard: Values = sound + level * fftconvolve(sound, tail)[: len(sound)]
    return heard
