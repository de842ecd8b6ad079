"""Test signals: tones whose spectrum is a formula.

All are float64 arrays [t]; the time axis is `arange(n) / rate`, so a tone has exactly the
frequency it is given.
"""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

# Relative amplitudes of two instruments that no one confuses: a flute, all in its first harmonics,
# and a clarinet's chalumeau register, where the odd ones rule.
FLUTE = (1.0, 0.3, 0.1, 0.03)
CLARINET = (0.6, 0.02, 0.6, 0.02, 0.5, 0.02, 0.4, 0.02, 0.3)

# MIDI pitches of the duet, over and over; registers overlap, and notes change at different times.
FLUTE_MELODY = (74, 77, 76, 72, 79, 74, 81)
CLARINET_MELODY = (62, 65, 69, 60, 67)
FLUTE_NOTE_S = 0.5
CLARINET_NOTE_S = 0.7


def time_axis_s(duration_s: float, sample_rate_hz: int) -> Signal:
    """Sample times [t] in seconds."""
    return np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz


def pure_tone(
    f0_hz: float,
    *,
    duration_s: float,
    sample_rate_hz: int,
    amplitude: float = 1.0,
    phase_rad: float = 0.0,
) -> Signal:
    """One stationary cosine [t]."""
    angle = 2 * np.pi * f0_hz * time_axis_s(duration_s, sample_rate_hz) + phase_rad
    return amplitude * np.cos(angle)


def harmonic_tone(
    f0_hz: float,
    *,
    amplitudes: tuple[float, ...],
    duration_s: float,
    sample_rate_hz: int,
    inharmonicity: float = 0.0,
) -> Signal:
    """A stationary tone [t] with partials at f0 h sqrt(1 + b h^2), Eq. (3), up to Nyquist.

    The phases grow with h^2 (Schroeder), which keeps the crest factor low.
    """
    tone = np.zeros(round(duration_s * sample_rate_hz))
    for h, amplitude in enumerate(amplitudes, start=1):
        partial_hz = f0_hz * h * np.sqrt(1 + inharmonicity * h**2)
        if partial_hz < sample_rate_hz / 2:
            tone += pure_tone(
                partial_hz,
                duration_s=duration_s,
                sample_rate_hz=sample_rate_hz,
                amplitude=amplitude,
                phase_rad=-np.pi * h**2 / len(amplitudes),
            )
    return tone


def melody(
    pitches_midi: tuple[float, ...],
    *,
    note_s: float,
    amplitudes: tuple[float, ...],
    duration_s: float,
    sample_rate_hz: int,
) -> Signal:
    """One instrument [t] that plays `pitches_midi` in a circle, each note with 10 ms ramps."""
    line = np.zeros(round(duration_s * sample_rate_hz))
    n_note = round(note_s * sample_rate_hz)
    for number, start in enumerate(range(0, len(line), n_note)):
        f0_hz = 440.0 * 2.0 ** ((pitches_midi[number % len(pitches_midi)] - 69) / 12)
        note = harmonic_tone(
            f0_hz, amplitudes=amplitudes, duration_s=note_s, sample_rate_hz=sample_rate_hz
        )
        note *= _ramps(n_note, n_ramp=round(0.01 * sample_rate_hz))
        line[start : start + n_note] = note[: len(line) - start]
    return line


def duet(*, duration_s: float = 10.0, sample_rate_hz: int = 16_000) -> dict[str, Signal]:
    """Two monophonic instruments {name: [t]}, each with peak 0.4: their sum is in full scale."""
    flute = melody(
        FLUTE_MELODY,
        note_s=FLUTE_NOTE_S,
        amplitudes=FLUTE,
        duration_s=duration_s,
        sample_rate_hz=sample_rate_hz,
    )
    clarinet = melody(
        CLARINET_MELODY,
        note_s=CLARINET_NOTE_S,
        amplitudes=CLARINET,
        duration_s=duration_s,
        sample_rate_hz=sample_rate_hz,
    )
    return {
        "flute": 0.4 * flute / np.abs(flute).max(),
        "clarinet": 0.4 * clarinet / np.abs(clarinet).max(),
    }


def _ramps(n_note: int, *, n_ramp: int) -> Signal:
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_ramp) / n_ramp)
    envelope = np.ones(n_note)
    envelope[:n_ramp] = rise
    envelope[n_note - n_ramp :] = rise[::-1]
    return envelope
