"""Harmonic structure: the levels of a tone's harmonics, whatever its loudness (paper, Section III).

A tone's structure is the vector of the levels in dB of its first 20 harmonics. Each is that of the
nearest peak within 3 % of the harmonic, and 0 where there is none: the harmonic was not seen. The
levels are shifted so that their energy is 100 dB, by which loudness drops out:

    B[h] = A_h + 100 - 10 log10 sum_h 10^(A_h / 10).

Axes: ``n`` frames, ``i`` pitches of a frame, ``k`` peaks of a frame, ``h`` harmonics, ``p`` tones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.structures.pitch_likelihood import SEEN_WITHIN, deviation
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks

Array: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]

N_HARMONICS = 20
"""Harmonics of a structure (re-implementation)."""
ENERGY_DB = 100.0
"""Energy of a structure; the paper's number for "normalised"."""
LEAST_SEEN = 3
"""Tones with fewer harmonics seen say too little of their instrument. Departs from the
re-implementation, which asks for 5: high notes and flutes have no more, and where they have, the
pitches come out the same."""


def nearest_peaks(peaks: SpectralPeaks, f0_bins: Array) -> tuple[Flags, Indices]:
    """Return which harmonics of pitches ``[n, i]`` are seen and by which peak, ``[n, i, h]``.

    One peak per harmonic, the nearest of those within 3 %.
    """
    relative, number = deviation(
        peaks.frequency_bins[:, None], np.maximum(f0_bins, 1e-6)[..., None]
    )  # n, i, k
    far = np.where(peaks.seen[:, None], np.abs(relative), np.inf)
    h = np.arange(1, N_HARMONICS + 1)
    distance = np.where(number[:, :, None] == h[:, None], far[:, :, None], np.inf)  # n, i, h, k
    peak = distance.argmin(-1)
    seen = np.take_along_axis(distance, peak[..., None], -1)[..., 0] < SEEN_WITHIN
    return seen & (f0_bins > 0)[..., None], peak


def levels_at(peaks: SpectralPeaks, peak: Indices) -> Array:
    """Return the levels in dB of the peaks ``[n, ...]`` by their number in the frame."""
    flat = np.take_along_axis(peaks.level_db, peak.reshape(len(peak), -1), 1)
    return flat.reshape(peak.shape)


def energy_db(level_db: Array, seen: Flags) -> Array:
    """Return 10 log10 of the summed energy of the harmonics that are seen, ``[...]``.

    >>> energy_db(np.array([[0.0, 0.0]]), np.array([[True, True]])).round(2).tolist()
    [3.01]
    """
    power = np.where(seen, 10.0 ** (level_db / 10), 0.0).sum(-1)
    total: Array = 10 * np.log10(np.maximum(power, 1e-30))
    return total


def structure(level_db: Array, seen: Flags) -> Array:
    """Return levels ``[..., h]`` at an energy of 100 dB, 0 where a harmonic was not seen."""
    shifted = level_db + (ENERGY_DB - energy_db(level_db, seen))[..., None]
    normalised: Array = np.where(seen, shifted, 0.0)
    return normalised


@dataclass(frozen=True)
class Structures:
    """The tones that instruments are learned from.

    Attributes:
        level_db: the structure of every tone, 0 where a harmonic was not seen, ``[p, h]``.
        seen: which harmonics were, bool ``[p, h]``.
        energy_db: of the tone as it was, ``[p]``.
        frame: number of the frame that it comes from, ``[p]``.
        f0_bins: its pitch, ``[p]``.
    """

    level_db: Array
    seen: Flags
    energy_db: Array
    frame: Indices
    f0_bins: Array

    @classmethod
    def of(cls, peaks: SpectralPeaks, f0_bins: Array, on: Flags) -> Structures:
        """Return those of the tones ``[n, i]`` of some frames that show enough harmonics."""
        seen, peak = nearest_peaks(peaks, f0_bins)
        level = levels_at(peaks, peak)
        rows, tones = (on & (seen.sum(-1) >= LEAST_SEEN)).nonzero()
        seen, level = seen[rows, tones], level[rows, tones]
        return cls(structure(level, seen), seen, energy_db(level, seen), rows, f0_bins[rows, tones])

    def __len__(self) -> int:
        """Return the number of tones."""
        return len(self.frame)

    def __getitem__(self, chosen: Indices | slice) -> Structures:
        """Return some of the tones."""
        return Structures(*(values[chosen] for values in vars(self).values()))

    def later(self, n_frames: int) -> Structures:
        """Return the tones with the numbers of their frames so much higher."""
        return replace(self, frame=self.frame + n_frames)
