"""Spectra: a recording's frames as the network sees them, worked out when they are asked for.

Axes: ``t`` samples, ``c`` channels, ``n`` frames, ``f`` bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Derived, Framewise, Together
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.sound.blockwise import blocks, energy, mono
from musisep_cli.sound.recording import Recording

SILENT_PEAK = 1e-7
"""A frame in which no bin is louder than this has no tones: nothing sounds where nothing was."""


class Spectra:
    """The frames of a recording, at the level of the analysis.

    Args:
        recording: any rate, length and number of channels.
        frame: the representation, at the recording's sample rate.

    Attributes:
        samples: of the recording, as they are, ``[c, t]``.
        gain: what they are multiplied by.
        mean: of the channels, multiplied, ``[t]``.
        centres: of all frames, as sample indices, ``[n]``.
    """

    def __init__(self, recording: Recording, frame: GaborFrame) -> None:
        self.frame = frame
        self.gain = level_gain(recording, frame.config)
        # No copies on a CPU: an hour of them would fill the memory.
        self.samples = torch.from_numpy(recording.samples).to(frame.window.device).T
        self.mean = self.samples.new_empty(recording.n_samples)
        for block in blocks(recording.n_samples):
            self.mean[block] = (self.samples[:, block] * self.gain).mean(0)
        self.centres = frame.centres(recording.n_samples)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.centres)

    @property
    def of_mean(self) -> Framewise[Tensor]:
        """Of the mean of the channels, complex ``[n, f]``."""
        n_bins = self.frame.n_network_bins
        return Derived(
            self.centres, lambda centres: self.frame.analyse(self.mean, centres)[:, :n_bins]
        )

    @property
    def of_channels(self) -> Framewise[Tensor]:
        """Of every channel, complex ``[n, c, f]``."""
        return Derived(self.centres, self._of_channels)

    def in_windows(self, scales: Framewise[Tensor]) -> Framewise[Tensor]:
        """The same in windows of other lengths, relative to the frame's own, ``[n]``."""
        return Derived(Together(self.centres, scales), lambda both: self._of_channels(*both))

    def _of_channels(self, centres: Tensor, scales: Tensor | None = None) -> Tensor:
        channels = self.frame.analyse(self.samples, centres, self.gain, scales)
        return channels[..., : self.frame.n_network_bins].transpose(0, 1)


def level_gain(recording: Recording, config: FrameConfig) -> float:
    """What the samples are multiplied by for the analysis; 1 where the level stays as it is."""
    if config.rms_level == 0:
        return 1.0
    rms = math.sqrt(energy(mono(recording.samples)[:, None]) / recording.n_samples)
    return config.rms_level / rms


def audible(spectra: Tensor) -> Tensor:
    """Whether spectra ``[..., f]`` are of sound, bool ``[...]``."""
    return spectra.abs().amax(-1) > SILENT_PEAK
