"""Transcription: the tones of all frames under one dictionary.

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of an instrument, ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.pursuit.configs import PursuitConfig
from musisep_cli.methods.pursuit.log_axis import to_hz
from musisep_cli.methods.pursuit.pursuit import pursue_frames
from musisep_cli.methods.pursuit.tone import HEIGHT, PLACE
from musisep_cli.tones.tracks import PitchTracks

TRACK_FRAMES = 4096
"""Frames that are read at once for the tracks."""


@dataclass(frozen=True)
class LogFrames(FrameRows):
    """Frames of the log-frequency spectrogram.

    Attributes:
        spectrum: Y, ``[n, f]``.
    """

    spectrum: Tensor


@dataclass(frozen=True)
class FoundTones(FrameRows):
    """The tones of some frames.

    Attributes:
        tones: (a, mu, sigma, b), the strongest of an instrument first, a = 0 where there is none,
            ``[n, i, t, 4]``.
        distance: d(Y, y), ``[n]``.
        level: the sum of Y, ``[n]``.
    """

    tones: Tensor
    distance: Tensor
    level: Tensor


def found_tones(
    frames: LogFrames, columns: NDArray[np.float64], config: PursuitConfig
) -> FoundTones:
    """Return the tones of some frames, each pursued by itself.

    Args:
        frames: of the log-frequency spectrogram.
        columns: D, transposed, ``[i, h]``.
        config: how frames are taken apart.
    """
    tones, fits = pursue_frames(
        frames.spectrum.numpy(),
        columns,
        config.tones_per_instrument,
        config.acceptance,
        config.n_steps,
        config.tolerance,
    )
    distance, level = torch.from_numpy(fits).unbind(1)
    return FoundTones(torch.from_numpy(tones), distance, level)


def misfit(found: Framewise[FoundTones]) -> float:
    """Return the mean of d(Y, y) / sum Y over the frames in which something sounds.

    The blind criterion, ours: the authors choose among seeds by the true SDR. d is a squared
    distance of roots, so that a recording's level leaves the quotient as it is.
    """
    total, n_sounding = 0.0, 0
    for part in stretches(len(found), TRACK_FRAMES):
        frames = found[part]
        sounding = frames.level > 0
        total += float((frames.distance[sounding] / frames.level[sounding]).sum())
        n_sounding += int(sounding.sum())
    return total / max(n_sounding, 1)


def tracks_of(
    found: Framewise[FoundTones], frame: GaborFrame, n_samples: int, gain: float
) -> PitchTracks:
    """Return what every instrument plays: its strongest tone, at the recording's own level.

    Args:
        found: the tones of all frames.
        frame: whose frames they are.
        n_samples: of the recording.
        gain: what the recording was multiplied by for the analysis.
    """
    parts = [found[part].tones[:, :, 0].numpy() for part in stretches(len(found), TRACK_FRAMES)]
    strongest = np.concatenate(parts).transpose(1, 0, 2)  # i, n, 4
    return PitchTracks(
        times_s=frame.centres(n_samples).cpu().numpy() / frame.sample_rate_hz,
        f0_hz=to_hz(strongest[..., PLACE]).astype(np.float32),
        amplitude=(strongest[..., HEIGHT] / gain).astype(np.float32),
        on=strongest[..., HEIGHT] > 0,
    )
