"""Additive: imaginary instruments, sums of sinusoids with noise, as many as there are seeds.

An instrument is a slope of its harmonics, formants at fixed frequencies, an envelope, vibrato, a
stiffness of its strings and a share of coloured noise, all drawn from its seed: it sounds like
itself in all its notes. Sampled instruments are a hundred; these keep the network from learning
them by heart.

    x(t) = sum_h a_h(f0) env_h(t) cos(2 pi h sqrt(1 + b h^2) phi(t) + theta_h) + noise          (1)

phi is the phase of the fundamental in turns, with vibrato; high harmonics die away sooner.

Axes: ``h`` harmonics, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.training.phrases import PIECE_S, PlayedNote

N_HARMONICS = 30
"""Most harmonics h of a note; those beyond 7.6 kHz are left out."""
HIGHEST_HZ = 7_600.0
"""Highest partial in Hz: below half of the rate, whatever the vibrato."""

Wave = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Imaginary:
    """An imaginary instrument."""

    slope_db: float
    """Fall of the harmonics in dB per octave."""
    even_db: float
    """Fall of the even harmonics besides, in dB, as in closed pipes."""
    roughness_db: NDArray[np.float64]
    """Deviation of every harmonic in dB, ``[h]``."""
    formants: NDArray[np.float64]
    """Octaves above 1 Hz, widths in octaves and heights in dB of formants, ``[3, formants]``."""
    stiffness: float
    """b of Eq. (1)."""
    attack_s: float
    """Time until a note has its level, in seconds."""
    decay_s: float
    """Time in which a held note falls by 8.7 dB, in seconds; long for bowed and blown ones."""
    release_s: float
    """Time in which a note that is let go falls by 8.7 dB, in seconds."""
    damping: float
    """How much sooner high harmonics die away, per harmonic."""
    vibrato_hz: float
    """Rate of the vibrato in Hz."""
    vibrato_cents: float
    """Depth of the vibrato in cents."""
    noise_db: float
    """Level of breath or bow against the note, in dB."""
    noise_slope: float
    """Exponent with which the amplitude of the noise falls over frequency."""
    cents: float
    """How far it is out of tune, in cents."""


def imaginary(seed: int) -> Imaginary:
    """Return the instrument of a seed."""
    rng = np.random.default_rng([seed, 2_023])
    n_formants = int(rng.integers(0, 4))
    struck = rng.random() < 0.45
    return Imaginary(
        slope_db=rng.uniform(2, 15),
        even_db=rng.uniform(4, 35) * (rng.random() < 0.25),
        roughness_db=rng.uniform(0, 5) * rng.standard_normal(N_HARMONICS),
        formants=np.stack(
            [
                np.log2(np.exp(rng.uniform(np.log(250), np.log(4_000), n_formants))),
                rng.uniform(0.25, 1.2, n_formants),
                rng.uniform(3, 22, n_formants),
            ]
        ),
        stiffness=float(np.exp(rng.uniform(np.log(1e-5), np.log(1e-3))))
        * (struck and rng.random() < 0.7),
        attack_s=rng.uniform(0.002, 0.02) if struck else rng.uniform(0.01, 0.12),
        decay_s=float(np.exp(rng.uniform(np.log(0.15), np.log(2.5))))
        if struck
        else rng.uniform(3, 30),
        release_s=rng.uniform(0.02, 0.25),
        damping=rng.uniform(0, 0.15) if struck else 0.0,
        vibrato_hz=rng.uniform(4, 7),
        vibrato_cents=0.0 if struck else rng.uniform(0, 30) * (rng.random() < 0.7),
        noise_db=rng.uniform(-55, -22),
        noise_slope=rng.uniform(0, 1),
        cents=rng.normal(0, 8),
    )


def play(
    instrument: Imaginary, notes: Sequence[PlayedNote], generator: np.random.Generator
) -> Wave:
    """Return the waveform ``[t]`` of a part at 16 kHz, as long as a piece."""
    whole = np.zeros(round(PIECE_S * SAMPLE_RATE_HZ), np.float32)
    for note in notes:
        first = round(note.onset_s * SAMPLE_RATE_HZ)
        wave = _note(instrument, note, generator)[: len(whole) - first]
        whole[first : first + len(wave)] += wave
    return whole


def levels(instrument: Imaginary, f0_hz: float) -> NDArray[np.float64]:
    """Return the amplitudes a ``[h]`` of a note's harmonics, of sum of squares 1."""
    h = np.arange(1, N_HARMONICS + 1)
    octaves = np.log2(f0_hz * h)
    level_db = instrument.roughness_db - instrument.slope_db * np.log2(h)
    level_db = level_db - instrument.even_db * (h % 2 == 0)
    centres, widths, heights = instrument.formants[..., None]
    bumps = heights * np.exp(-0.5 * ((octaves - centres) / widths) ** 2)
    amplitudes = 10 ** ((level_db + bumps.sum(0)) / 20)
    audible = amplitudes * (f0_hz * h * np.sqrt(1 + instrument.stiffness * h**2) < HIGHEST_HZ)
    unit: NDArray[np.float64] = audible / max(float(np.linalg.norm(audible)), 1e-9)
    return unit


def _note(instrument: Imaginary, note: PlayedNote, generator: np.random.Generator) -> Wave:
    """Return one note's waveform, Eq. (1)."""
    f0_hz = 440 * 2 ** ((note.midi - 69 + instrument.cents / 100) / 12)
    held_s = note.offset_s - note.onset_s
    t = np.arange(round((held_s + 4 * instrument.release_s) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    amplitudes = levels(instrument, f0_hz)
    h = 1 + np.flatnonzero(amplitudes > 1e-3)
    partials = h * np.sqrt(1 + instrument.stiffness * h**2)
    turns = _turns(instrument, f0_hz, t, generator)
    angles = 2 * np.pi * (partials[:, None] * turns + generator.random((len(h), 1)))
    fading = np.exp(-instrument.damping * (h[:, None] - 1) * t / instrument.decay_s)
    tone = (amplitudes[h - 1, None] * fading * np.cos(angles.astype(np.float32))).sum(0)
    noisy = tone + 10 ** (instrument.noise_db / 20) * _noise(instrument, len(t), generator)
    wave: Wave = (noisy * _envelope(instrument, held_s, t) * (note.velocity / 100) ** 2).astype(
        np.float32
    )
    return wave


def _turns(
    instrument: Imaginary, f0_hz: float, t: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return the phase of the fundamental in turns: vibrato sets in after 0.2 s."""
    depth = instrument.vibrato_cents / 1200 * np.log(2) * np.clip((t - 0.2) / 0.2, 0, 1)
    swing = 2 * np.pi * (instrument.vibrato_hz * t + generator.random())
    turns: NDArray[np.float64] = np.cumsum(f0_hz * (1 + depth * np.sin(swing))) / SAMPLE_RATE_HZ
    return turns


def _envelope(instrument: Imaginary, held_s: float, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rise, fall and release of a note."""
    rise = np.clip(t / instrument.attack_s, 0, 1)
    release = np.exp(-np.clip(t - held_s, 0, None) / instrument.release_s)
    shape: NDArray[np.float64] = rise * np.exp(-t / instrument.decay_s) * release
    return shape


def _noise(instrument: Imaginary, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of RMS 1 whose amplitude falls over frequency."""
    spectrum = np.fft.rfft(generator.standard_normal(n))
    spectrum *= (1 + np.arange(len(spectrum))) ** -instrument.noise_slope
    noise: NDArray[np.float64] = np.fft.irfft(spectrum, n)
    return noise / max(float(noise.std()), 1e-9)
