"""Peaks and tones of which everything is known."""

from collections.abc import Sequence

import numpy as np
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.structures.average_structure import Instruments
from musisep_cli.methods.structures.harmonic_structure import N_HARMONICS, Structures, structure
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks

RATE = 48_000


def make_frame() -> GaborFrame:
    return GaborFrame(FrameConfig(), RATE, dtype=torch.float64)


def peaks_at(
    frequencies: Sequence[Sequence[float]], levels: Sequence[Sequence[float]] | None = None
) -> SpectralPeaks:
    """Peaks of some frames, in bins and dB, by default all at 0 dB."""
    n_most = max(map(len, frequencies))
    shape = (len(frequencies), n_most)
    seen, places, level_db = np.zeros(shape, bool), np.zeros(shape), np.zeros(shape)
    for n, row in enumerate(frequencies):
        order = np.argsort(row)
        seen[n, : len(row)] = True
        places[n, : len(row)] = np.array(row)[order]
        if levels is not None:
            level_db[n, : len(row)] = np.array(levels[n])[order]
    return SpectralPeaks(seen, places, level_db)


def tones_like(
    level_db: np.ndarray, *, n_tones: int, noise_db: float = 0.0, seed: int = 0
) -> Structures:
    """Tones with a structure, each harmonic off by normal noise before it is normalised."""
    generator = np.random.default_rng(seed)
    n_harmonics = len(level_db)
    seen = np.zeros((n_tones, N_HARMONICS), bool)
    seen[:, :n_harmonics] = True
    levels = np.zeros((n_tones, N_HARMONICS))
    levels[:, :n_harmonics] = level_db + noise_db * generator.normal(size=(n_tones, n_harmonics))
    return Structures(
        structure(levels, seen),
        seen,
        np.full(n_tones, 100.0),
        np.arange(n_tones),
        np.full(n_tones, 100.0),
    )


def instruments_like(*amplitudes: Sequence[float]) -> Instruments:
    """Instruments with these harmonic amplitudes and 3 dB of instability."""
    has = np.zeros((len(amplitudes), N_HARMONICS), bool)
    level_db = np.zeros((len(amplitudes), N_HARMONICS))
    for i, row in enumerate(amplitudes):
        has[i, : len(row)] = True
        level_db[i, : len(row)] = 20 * np.log10(row)
    return Instruments(
        structure(level_db, has),
        has,
        np.full(len(amplitudes), 3.0),
        np.ones(len(amplitudes), np.int64),
        True,
    )
