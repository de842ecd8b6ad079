"""Transcript: what every instrument plays in every frame.

Axes: ``n`` frames, ``i`` instruments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame


@dataclass(frozen=True)
class Transcript:
    """What was found in some frames, a slot per instrument.

    Attributes:
        f0_bins: pitch, ``[n, i]``.
        inharmonicity: b, ``[n, i]``.
        amplitude: a, ``[n, i]``.
        on: u, 0 or 1, ``[n, i]``.
        objective: Eq. 21, ``[n]``.
        audible: whether the recording sounds in the frame, bool ``[n]``.
    """

    f0_bins: Tensor
    inharmonicity: Tensor
    amplitude: Tensor
    on: Tensor
    objective: Tensor
    audible: Tensor


@dataclass(frozen=True)
class PitchTracks:
    """What every instrument plays in every frame.

    Attributes:
        times_s: frame centres, ``[n]``.
        f0_hz: ``[i, n]``.
        amplitude: a, ``[i, n]``.
        on: whether the tone counts as present, 0 or 1, ``[i, n]``.
        inharmonicity: b, ``[i, n]``.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    on: NDArray[np.float32]
    inharmonicity: NDArray[np.float32]


def pitch_tracks(
    transcript: Transcript, frame: GaborFrame, n_samples: int, gain: float
) -> PitchTracks:
    """What was played, amplitudes at the recording's own level."""
    heard = transcript.audible[:, None].to(transcript.on.dtype)
    columns = (
        transcript.f0_bins * frame.bin_hz,
        transcript.amplitude * heard / gain,
        transcript.on * heard,
        transcript.inharmonicity,
    )
    times_s = frame.centres(n_samples).cpu().numpy() / frame.sample_rate_hz
    return PitchTracks(times_s, *(values.T.cpu().numpy() for values in columns))
