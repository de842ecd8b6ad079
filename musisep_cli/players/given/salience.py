"""Salience: how strongly every pitch sounds in some frames of a recording.

Let A be the sum of the lifted magnitudes |Y|^(1/2) at the odd harmonics of a pitch f, B that at the
even ones, and C that halfway between the harmonics, all falling by a factor d from harmonic to
harmonic. The salience of the pitch is

    S = max(0, A + min(A, B) - C).                                                              (1)

A pitch an octave too low has nothing at its odd harmonics, so that A is 0. One an octave too high
has the odd harmonics of the true one halfway between its own, so that C is large. A clarinet's B is
small, and its A speaks for it. Every frame is divided by its usual strength, so that a loud passage
does not decide alone.

Axes: ``n`` frames, ``q`` pitches, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra, audible
from musisep_cli.sound.pitch import frequency_hz
from musisep_cli.sound.score.part import Part
from musisep_cli.tones.peaks import magnitude

Map: TypeAlias = NDArray[np.floating[Any]]

LOWEST_SEMITONE, N_SEMITONES = 21, 88
"""MIDI number of the lowest pitch, and number of semitones: the keys of a piano."""
STEPS = 5
"""Steps of the grid in a semitone: 20 cents."""
N_HARMONICS, DECAY = 8, 0.85
"""Number of harmonics that count, and d: the upper ones belong to others more often."""
WIDTH_STEPS = 2.0
"""Standard deviation of a note on the grid, in steps: 40 cents, a vibrato and a mistuned string."""
LEAST_STRENGTH = 0.1
"""Least strength of a frame, relative to the usual one, by which it is divided."""
LEAST_STRIDE_S = 0.04
"""Least time between the frames that are looked at, in s."""
MOST_FRAMES = 3000
"""Most frames that are looked at: a path of alignment takes a table of their square."""
AT_ONCE = 256
"""Number of frames whose spectra are held at once."""


@dataclass(frozen=True)
class Grid:
    """Times and pitches at which salience is known.

    Attributes:
        times_s: evenly spaced, ``[n]``.
        semitones: MIDI numbers, evenly spaced, ``[q]``.
    """

    times_s: NDArray[np.float64]
    semitones: NDArray[np.float64]

    @property
    def hop_s(self) -> float:
        """Return the time from frame to frame, in s."""
        return float(self.times_s[1] - self.times_s[0]) if len(self.times_s) > 1 else 1.0


def pitches() -> NDArray[np.float64]:
    """Return all pitches of the grid, MIDI numbers, ``[q]``."""
    return LOWEST_SEMITONE + np.arange(N_SEMITONES * STEPS) / STEPS


def salience(spectra: Spectra) -> tuple[Map, Grid]:
    """Return the salience of the pitches of a recording, ``[n, q]``, and the grid of both axes."""
    frame = spectra.frame
    hop_s = frame.hop_samples / frame.sample_rate_hz
    stride = max(round(LEAST_STRIDE_S / hop_s), -(-len(spectra) // MOST_FRAMES), 1)
    centres = spectra.centres[::stride]
    rows = []
    for part in centres.split(AT_ONCE):
        block = frame.analyse(spectra.mean, part)[:, : frame.n_network_bins]
        heard = audible(block)[:, None]
        rows.append((of_spectra(block, frame) * heard).cpu().numpy())
    found = np.concatenate(rows)
    strength = np.sqrt(np.square(found).mean(1, keepdims=True))
    usual = float(np.sqrt(np.square(strength).mean()))
    found = found / np.maximum(strength, max(LEAST_STRENGTH * usual, 1e-12))
    times_s = centres.cpu().numpy().astype(np.float64) / frame.sample_rate_hz
    return found, Grid(times_s, pitches())


def of_spectra(spectra: Tensor, frame: GaborFrame) -> Tensor:
    """Return (1) of complex spectra ``[n, f]``, ``[n, q]``."""
    lifted = magnitude(spectra).sqrt()
    f0_bins = torch.from_numpy(frequency_hz(pitches()) / frame.bin_hz).to(lifted)
    odd, even, between = lifted.new_zeros(3, len(lifted), len(f0_bins))
    for h in range(1, N_HARMONICS + 1):
        weight = DECAY ** (h - 1)
        (odd if h % 2 else even).add_(_at(lifted, h * f0_bins), alpha=weight)
        between += weight * _at(lifted, (h - 0.5) * f0_bins)
    found: Tensor = (odd + torch.minimum(odd, even) - between).clamp_min(0)  # (1)
    return found


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """Return values ``[n, f]`` at positions ``[q]`` in bins, on lines between bins; 0 outside."""
    below = positions.floor().long().clamp(0, values.shape[1] - 2)
    part = (positions - below).clamp(0, 1)
    found: Tensor = (1 - part) * values[:, below] + part * values[:, below + 1]
    return found * (positions < values.shape[1] - 1)


def roll(parts: list[Part], grid: Grid) -> Map:
    """Return where notes are on the grid, 1 at their pitches and bells around, ``[n, q]``."""
    drawn = np.zeros((len(grid.times_s), len(grid.semitones)))
    for part in parts:
        for note in part.notes:
            first, last = np.searchsorted(grid.times_s, [note.onset_s, note.offset_s])
            if last <= first:
                continue
            pitch = note.at(grid.times_s[first:last])[:, None]
            steps = (grid.semitones - pitch) * STEPS
            drawn[first:last] = np.maximum(
                drawn[first:last], np.exp(-0.5 * np.square(steps / WIDTH_STEPS))
            )
    return drawn
