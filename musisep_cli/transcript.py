"""Transcript: what every instrument plays in every frame.

Axes: ``n`` frames, ``i`` instruments.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.model.gabor import GaborFrame

Found = TypeVar("Found")
SILENT_PEAK = 1e-7
"""A frame in which no bin is louder than this has no tones: nothing sounds where nothing was."""
LOWEST_HZ = 16.0
"""Pitches below, which nothing plays, count as this."""


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


def audible(spectra: Tensor) -> Tensor:
    """Whether spectra ``[..., f]`` are of sound, bool ``[...]``."""
    return spectra.abs().amax(-1) > SILENT_PEAK


class Frames(Generic[Found]):
    """What is found in consecutive frames, block after block, in memory.

    The whole is reserved at the first block: joined at the end, it would be held twice.

    Args:
        kind: a dataclass of tensors whose first axis is that of the frames.
        n_frames: of the whole recording.
    """

    def __init__(self, kind: type[Found], n_frames: int) -> None:
        self.kind: Any = kind
        self.n_frames, self.n_done = n_frames, 0
        self.held: dict[str, Tensor] = {}

    def add(self, found: Found) -> None:
        """What was found in the next frames."""
        block = {field.name: getattr(found, field.name) for field in fields(self.kind)}
        (n_frames,) = {len(values) for values in block.values()}
        for name, values in block.items():
            if name not in self.held:
                self.held[name] = values.new_empty(self.n_frames, *values.shape[1:])
            self.held[name][self.n_done : self.n_done + n_frames] = values
        self.n_done += n_frames

    def joined(self) -> Found:
        """All that was found so far."""
        found: Found = self.kind(**{name: held[: self.n_done] for name, held in self.held.items()})
        return found
