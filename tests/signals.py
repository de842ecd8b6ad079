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


# A phrase of four simulated singers: pitches, seconds of a note, formants in Hz, vibrato in Hz.
SINGERS = {
    "soprano": ((72, 74, 76, 74, 71), 0.8, (850, 1200, 2800), 5.8),
    "alto": ((67, 65, 67, 69, 67), 0.8, (600, 1700, 2700), 5.3),
    "tenor": ((60, 62, 60, 57, 59), 1.0, (450, 800, 2500), 5.0),
    "bass": ((48, 50, 52, 53, 43), 1.2, (350, 640, 2300), 4.7),
}


def singers(
    *, duration_s: float = 4.0, sample_rate_hz: int = 16_000
) -> dict[str, tuple[Signal, Signal]]:
    """Four voices, each [t] with peak 0.2, and their pitch in Hz [t].

    Harmonics fall by 6 dB an octave, and every formant raises those near it by a Lorentzian; notes
    are joined by glides of 60 ms, with vibrato of 40 cents and a little breath.
    """
    t = time_axis_s(duration_s, sample_rate_hz)
    voices = {}
    for number, (name, (pitches, note_s, formants_hz, vibrato_hz)) in enumerate(SINGERS.items()):
        keys = np.array(pitches, float)[(t / note_s).astype(int) % len(pitches)]
        n_glide = round(0.06 * sample_rate_hz)
        padded = np.pad(keys, (n_glide // 2, n_glide - 1 - n_glide // 2), mode="edge")
        glided = np.convolve(padded, np.full(n_glide, 1 / n_glide), "valid")
        semitones = glided + 0.4 * np.sin(2 * np.pi * vibrato_hz * t + number)
        f0_hz = 440 * 2 ** ((semitones - 69) / 12)
        phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate_hz
        voice = 2e-3 * np.random.default_rng(number).standard_normal(len(t))
        for h in range(1, 60):
            gain = 0.05 + sum(
                0.7**k / (1 + ((h * f0_hz - formant_hz) / 90) ** 2)
                for k, formant_hz in enumerate(formants_hz)
            )
            voice += (h * f0_hz < sample_rate_hz / 2) * gain / h * np.cos(h * phase + h * h)
        voices[name] = 0.2 * voice / np.abs(voice).max(), f0_hz
    return voices


def _ramps(n_note: int, *, n_ramp: int) -> Signal:
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_ramp) / n_ramp)
    envelope = np.ones(n_note)
    envelope[:n_ramp] = rise
    envelope[n_note - n_ramp :] = rise[::-1]
    return envelope
