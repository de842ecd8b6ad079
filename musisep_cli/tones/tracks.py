"""Tracks: what every instrument plays in every frame, in bins and in Hz.

Axes: ``n`` frames, ``i`` instruments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.tones import Tones

USUAL_HOP_S = 0.01
"""Time between frames that is assumed where a track has but one, in seconds."""


@dataclass(frozen=True)
class Transcript:
    """What was found in some frames, a slot per instrument.

    Attributes:
        tones: what each plays, ``[n, i]``.
        amplitude: a, ``[n, i]``.
        objective: Eq. 21, ``[n]``.
        audible: whether the recording sounds in the frame, bool ``[n]``.
    """

    tones: Tones
    amplitude: Tensor
    objective: Tensor
    audible: Tensor


@dataclass(frozen=True, kw_only=True)
class PitchTracks:
    """What every instrument plays in every frame: the content of a ``pitch.csv``.

    Attributes:
        times_s: frame centres, ``[n]``.
        f0_hz: pitch, ``[i, n]``.
        amplitude: of a tone's peak in the spectrum, half of a sine's amplitude, ``[i, n]``.
        on: whether the instrument plays, bool ``[i, n]``.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.floating[Any]]
    amplitude: NDArray[np.floating[Any]]
    on: NDArray[np.bool_]

    @property
    def hop_s(self) -> float:
        """Time from frame to frame, in seconds."""
        return float(np.diff(self.times_s).mean()) if len(self.times_s) > 1 else USUAL_HOP_S


def pitch_tracks(
    transcript: Transcript, frame: GaborFrame, n_samples: int, gain: float
) -> PitchTracks:
    """Return what was played in Hz, with amplitudes at the recording's own level.

    Args:
        transcript: of all frames, in bins.
        frame: the representation.
        n_samples: length of the recording.
        gain: what the recording was multiplied by for the analysis.
    """
    # Where the recording is silent, nothing is on, whatever was decoded.
    tones, heard = transcript.tones, transcript.audible[:, None]
    f0_hz, amplitude, on = (
        values.T.cpu().numpy()
        for values in (
            tones.f0_bins * frame.bin_hz,
            transcript.amplitude * heard.to(tones.on.dtype) / gain,
            (tones.on > 0) & heard,
        )
    )
    times_s = frame.centres(n_samples).cpu().numpy() / frame.sample_rate_hz
    return PitchTracks(times_s=times_s, f0_hz=f0_hz, amplitude=amplitude, on=on)
