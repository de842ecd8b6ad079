"""One window: a fit of frames that are seen in windows of one length, each frame by itself.

It is where following the harmonics from frame to frame (``partials``) starts from.

Axes: ``n`` frames, ``t`` tones of a frame, ``h`` harmonics, ``j`` those of all tones of a frame,
``f`` bins, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from musisep_cli.errors import ConfigError
from musisep_cli.frames.framewise import BLOCK_FRAMES
from musisep_cli.stems import levels
from musisep_cli.stems.partials import Complex, Heard
from musisep_cli.tones.gliding import gliding
from musisep_cli.tones.notes import NeighbourTones
from musisep_cli.tones.peaks import Peaks
from musisep_cli.tones.tones import Tones

LEAST_EXPECTED = 1e-4
"""Least expected magnitude, relative to a frame's strongest harmonic: an expectation of 0 would
forbid a harmonic whatever the recording says."""
NOISE_REACH = 2.0
"""Widths to both sides of a harmonic over which the power of the noise is averaged."""
LEAST_NOISE = 0.03
"""Least noise around a harmonic, relative to the most in the frame."""
LEAST_RELATIVE_NOISE = 0.01
"""Least noise, relative to the expected magnitude of the harmonic: the normal equations are never
singular then."""


@dataclass(frozen=True, kw_only=True)
class ResynthesisConfig:
    """How the frames' tones become stems (Section 3.8)."""

    stems: Literal["direct", "wiener"] = "direct"
    """Direct: every stem is the sum of its direct predictions, as in the paper. Wiener departs from
    it: what the tones leave over of the recording's own spectrum is shared out as well. Glides,
    onsets and breath, which no stationary peak can follow, then stay in the stems."""
    mask_width: float = 1.3
    """With wiener: width of the peaks by which what is left over is shared out, in ideal widths."""
    mask_floor: float = 1e-4
    """With wiener: share of the frame's highest peak below which what is left over is nobody's."""
    breath: float = 0.1
    """With wiener: power of an instrument's noise between its harmonics, relative to that of its
    stem around, up to which it gets what is nobody's too. 0: all of that goes to the residual."""
    timbre_noise: float = 0.2
    """Where tones are decoded: noise of the first fit, relative to a frame's strongest harmonic:
    what the tone model may miss. The more, the more an instrument's timbre is believed against the
    mixture where two tones share a harmonic."""
    rest_noise: float = 1.5
    """Where tones are decoded: noise around a harmonic, relative to what a fit has left there.
    Above 1, for a fit takes some of the noise for tones. With a very high one nothing is fitted,
    and all of the spectrum is shared out as by a mask."""
    steady_s: float = field(default=0.5, metadata={"least": 0})
    """Where tones are decoded: seconds for which a harmonic is expected to go on as it is. The
    longer, the nearer the frequencies of two harmonics may be that are told apart. 0: every frame
    is fitted by itself."""
    level_s: float = field(default=0.085, metadata={"least": 0})
    """Where tones are decoded: seconds for which the level of a note is taken to be alike where
    other tones hide it. 0: every frame tells it by itself."""
    stretched: bool = True
    """Where tones are decoded: whether it is learned how far an instrument's strings spread their
    harmonics, at every pitch. Without, they are where the network takes them to be."""
    gliding: bool = True
    """Where tones are decoded: whether harmonics glide within a window as their pitch does from
    frame to frame. Without, they are steady."""
    change_window: float = field(
        default=0.6, metadata={"most": 1, "why": "windows get shorter, not longer"}
    )
    """Where tones are decoded: length of the window where a frame holds two notes of an instrument,
    relative to that of the other frames. 1: the same everywhere."""
    places: bool = True
    """Where tones are decoded: whether in stereo every instrument is taken from where it sounds.
    Without, each channel is separated by itself."""


def check_window(hop_zetas: float, config: ResynthesisConfig) -> None:
    """Refuse windows between which the signal would be lost.

    Args:
        hop_zetas: distance between frames, relative to the width of the frame's own windows.
        config: tells how much shorter windows get.

    Raises:
        ConfigError: they are too short.
    """
    if hop_zetas > 3 * config.change_window:
        raise ConfigError(
            "[resynthesis] change_window is too short for [frame] hop_zetas: the signal between "
            "frames would be lost"
        )


def window_scales(tones: NeighbourTones, config: ResynthesisConfig) -> Tensor:
    """Return the length of the window of every frame relative to the frame's own, ``[n]``.

    Shorter where a frame holds other notes besides those of the instruments.
    """
    return torch.where(tones.changing, config.change_window, 1.0)


def seen_alike(scales: Tensor) -> list[Tensor]:
    """Return the frames of every window length ``scales [n]``, at most a block at a time."""
    return [
        rows
        for scale in scales.unique()
        for rows in (scales == scale).nonzero()[:, 0].split(BLOCK_FRAMES)
    ]


@dataclass(frozen=True)
class Seen:
    """A stretch of frames together with those around it.

    Attributes:
        tones: of all of them, ``[n, i]``.
        channels: complex, ``[n, c, f]``.
        own: rows of the stretch itself.
    """

    tones: NeighbourTones
    channels: Tensor
    own: slice


@dataclass(frozen=True)
class WindowFit:
    """A fit of frames that are seen in windows of one length, each frame by itself.

    Attributes:
        tones: with pitches set to where their harmonics are strongest, ``[n, t]``.
        channels: complex, ``[n, c, f]``.
        peaks: of the harmonics, ``[n, j]``.
        expected: sqrt(p_h), the magnitudes that the timbres lead to expect, ``[n, j]``.
        noise: n_h, what the tone model misses around each, a magnitude, ``[n, j]``.
    """

    tones: Tones
    channels: Tensor
    peaks: Peaks
    expected: Tensor
    noise: Tensor

    @cached_property
    def products(self) -> Tensor:
        """<g_h, Y> in every channel, complex ``[n, j, c]``.

        In float64: where two harmonics nearly coincide, the equations are nearly singular and
        amplify rounding.
        """
        exact = torch.complex128 if self.peaks.values.is_complex() else torch.float64
        peaks = replace(self.peaks, values=self.peaks.values.to(exact))
        channels = self.channels.to(torch.complex128).unbind(1)
        return torch.stack([peaks.correlate(channel) for channel in channels], -1)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Whether a harmonic is within the spectrum, ``[n, j]``; those of tones off are not."""
        kept: NDArray[np.bool_] = (self.peaks.positions <= self.peaks.n_bins - 1).cpu().numpy()
        return kept

    @property
    def levels(self) -> Tensor:
        """Levels of the tones: the sum of their expected magnitudes, ``[n, t]``."""
        return self._of_tones(self.expected).sum(2)

    @property
    def seen(self) -> Tensor:
        """How far each tone is seen apart from the others, from 0 to 1, ``[n, t]``."""
        return levels.seen(self.peaks, self.expected, self.tones.on.shape[1])

    def louder(self, factors: Tensor) -> WindowFit:
        """Return the fit with its first tones expected louder by factors ``[n, i]``."""
        expected = self._of_tones(self.expected).clone()
        expected[:, : factors.shape[1]] *= factors[..., None]
        return replace(self, expected=expected.flatten(1))

    def _of_tones(self, values: Tensor) -> Tensor:
        """Return values ``[n, j]`` as ``[n, t, h]``."""
        of_tones: Tensor = values.unflatten(1, (self.tones.on.shape[1], -1))
        return of_tones

    def gliding(self, rates: Tensor, bin_hz: float) -> WindowFit:
        """Return the fit with harmonics that glide.

        Args:
            rates: of the first tones, relative to their pitch, per second, ``[n, i]``.
            bin_hz: distance between bins.
        """
        missing = self.tones.on.shape[1] - rates.shape[1]
        return replace(self, peaks=gliding(self.peaks, functional.pad(rates, (0, missing)), bin_hz))

    def with_noise(self, coefficients: Tensor, rest_noise: float) -> WindowFit:
        """Return the fit with the noise that coefficients ``[n, j]`` of the mean channel leave.

        Args:
            coefficients: of the mean of the channels, complex ``[n, j]``.
            rest_noise: what the noise is multiplied by.
        """
        # What the fit leaves over around a harmonic, scaled, and never nothing.
        leftover = self.channels.mean(1) - self.peaks.render(coefficients)
        least = LEAST_RELATIVE_NOISE * self.expected
        return replace(self, noise=(rest_noise * _noise(leftover, self.peaks)).maximum(least))

    def heard(self, n_harmonics: int) -> list[Heard]:
        """Return the harmonics of every frame, to be followed from frame to frame."""
        n_tones = self.tones.on.shape[1]
        # Harmonics j = t h in a row, by tone and number; those outside the spectrum are left out.
        tones, numbers = np.divmod(np.arange(n_tones * n_harmonics), n_harmonics)
        columns = (self.peaks.positions, self.expected)
        positions, expected = (values.double().cpu().numpy() for values in columns)
        f0_bins = self.tones.f0_bins.double().cpu().numpy()
        grams = self.peaks.gram().cpu().numpy()
        return [
            Heard(
                tones=tones[j],
                numbers=1 + numbers[j],
                f0_bins=f0_bins[n, tones[j]],
                positions=positions[n, j],
                expected=expected[n, j],
                gram=grams[n][np.ix_(j, j)],
            )
            for n, kept in enumerate(self.kept)
            for j in (np.flatnonzero(kept),)
        ]

    def rows_of(self, values: Tensor) -> list[NDArray[Any]]:
        """Return of values ``[n, j, ...]`` those of every frame's harmonics that there are."""
        dtype = torch.complex128 if values.is_complex() else torch.float64
        rows = values.to(dtype).cpu().numpy()
        return [row[kept] for row, kept in zip(rows, self.kept, strict=True)]

    def dense(self, rows: Sequence[Complex]) -> Tensor:
        """Return coefficients as ``[n, j, c]``, with 0 where ``rows_of`` leaves harmonics out."""
        values = np.zeros((*self.kept.shape, rows[0].shape[1]), np.complex64)
        values[self.kept] = np.concatenate(rows)
        return torch.from_numpy(values).to(self.channels)


def _noise(leftover: Tensor, peaks: Peaks) -> Tensor:
    """Return the root mean square of what is left over around every harmonic, ``[n, j]``.

    Args:
        leftover: what the fit leaves over, complex ``[n, f]``.
        peaks: of the harmonics.
    """
    # The power of what is left over, averaged around every bin, read at the harmonics.
    reach = math.floor(NOISE_REACH * float(peaks.widths[0]))
    power = (leftover * leftover.conj()).real[:, None]
    mean = functional.avg_pool1d(power, 2 * reach + 1, stride=1, padding=reach)[:, 0]
    nearest = peaks.positions.clamp(0, peaks.n_bins - 1).round().long()
    noise = mean.sqrt()
    return noise.gather(1, nearest).clamp_min(LEAST_NOISE * noise.amax(1, keepdim=True))
