"""Spectra: a recording's frames as the network sees them, computed when they are asked for.

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
"""Magnitude of a spectrum's highest bin up to which a frame counts as silent and has no tones."""


class Spectra:
    """The frames of a recording, at the level of the analysis.

    Args:
        recording: any rate, length and number of channels.
        frame: the representation, at the recording's sample rate.

    Attributes:
        samples: the recording as it is, ``[c, t]``.
        gain: factor on the samples for the analysis.
        mean: mean of the channels times the gain, ``[t]``.
        centres: centres of all frames, as sample indices, ``[n]``.
    """

    def __init__(self, recording: Recording, frame: GaborFrame) -> None:
        self.frame = frame
        self.gain = level_gain(recording, frame.config)
        # On a CPU no copy is made: of an hour it would fill the memory.
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
        """Spectra of the mean of the channels, complex ``[n, f]``."""
        n_bins = self.frame.n_network_bins
        return Derived(
            self.centres, lambda centres: self.frame.analyse(self.mean, centres)[:, :n_bins]
        )

    @property
    def of_channels(self) -> Framewise[Tensor]:
        """Spectra of every channel, complex ``[n, c, f]``."""
        return Derived(self.centres, self._of_channels)

    def in_windows(self, scales: Framewise[Tensor]) -> Framewise[Tensor]:
        """Return spectra of every channel in windows of other lengths, complex ``[n, c, f]``.

        Args:
            scales: lengths relative to the frame's own, ``[n]``.
        """
        return Derived(Together(self.centres, scales), lambda both: self._of_channels(*both))

    def _of_channels(self, centres: Tensor, scales: Tensor | None = None) -> Tensor:
        channels = self.frame.analyse(self.samples, centres, self.gain, scales)
        return channels[..., : self.frame.n_network_bins].transpose(0, 1)


def level_gain(recording: Recording, config: FrameConfig) -> float:
    """Return the factor on the samples for the analysis; 1 where the level stays as it is."""
    if config.rms_level == 0:
        return 1.0
    rms = math.sqrt(energy(mono(recording.samples)[:, None]) / recording.n_samples)
    return config.rms_level / rms


def audible(spectra: Tensor) -> Tensor:
    """Return whether anything sounds in spectra ``[..., f]``, bool ``[...]``."""
    return spectra.abs().amax(-1) > SILENT_PEAK
