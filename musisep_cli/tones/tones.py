"""Tones: what a frame is made of (paper, Section 2.1).

Axes: ``n`` frames, ``i`` tones of a frame, usually one of every instrument.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.gabor import GaborFrame

LOWEST_HZ = 16.0
"""Hz: lower pitches, which nothing plays, count as this, so that their logarithm is finite."""
LEAST_BINS = 1e-6
"""Pitches in bins are kept above this before their logarithm is taken: tones off may be at 0."""
NOTE_SEMITONES = 0.7
"""Semitones: tones of an instrument that are further apart are two notes, not one with vibrato."""


@dataclass(frozen=True)
class Tones(FrameRows):
    """The tones of some frames, each field of the same shape, ``[n, i]`` unless said otherwise.

    Attributes:
        on: u, whether the tone sounds: bool, or 0 and 1 in the type of the pitches.
        f0_bins: f_1, the pitch in bins; where a tone is off it means nothing.
        inharmonicity: b of Eq. 3, how far the harmonics are spread; 0 for exact multiples.
    """

    on: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor


def pitch_semitones(f0_bins: Tensor, frame: GaborFrame) -> Tensor:
    """Return pitches in bins as MIDI numbers (69 for 440 Hz) with a fraction; of the same shape."""
    return 69 + 12 * torch.log2((f0_bins * frame.bin_hz).clamp_min(LOWEST_HZ) / 440)


def note_steps(tones: Tones) -> tuple[Tensor, Tensor]:
    """Return how far pitches move to the next frame in semitones, and whether notes go on there.

    Args:
        tones: of consecutive frames, those of one voice in a column, ``[n, t]``.

    Returns:
        Semitones and bool, ``[n - 1, t]`` each.
    """
    on, semitones = tones.on > 0, 12 * torch.log2(tones.f0_bins.clamp_min(LEAST_BINS))
    steps = semitones.diff(dim=0)
    return steps, on[:-1] & on[1:] & (steps.abs() < NOTE_SEMITONES)
