"""Sound: length, levels, clipping and silence of a recording.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.level import decibels
from musisep_cli.sound.recording import Recording

SILENCE_DB = -60.0
"""Peak of a stretch in dB, relative to the recording's peak, below which it is silent."""
STRETCH_S = 0.05
"""Length in s of the stretches that are silent or not: shorter than a rest between notes."""
CLIPPED_RUN = 4
"""Number of equal samples in a row at a channel's peak that make a clipped crest; a loud sound that
is not clipped touches its peak with one or two."""
CREST = 0.999
"""Share of a channel's peak from which on a sample belongs to a crest."""
QUIETEST_CREST = 0.25
"""Peak below which no clipping is looked for: the steps of 16 bits make flat crests there."""
OFFSET_SHARE = 0.3
"""DC offset, as a share of the RMS level, from which on the user is warned."""
MUCH_SILENCE = 0.3
"""Share of silence from which on the user is warned."""
_BLOCK_STRETCHES = 400
"""Number of stretches that are measured at once."""


@dataclass(frozen=True, kw_only=True)
class ChannelLevel:
    """Levels of one channel.

    Attributes:
        peak_dbfs: largest magnitude of a sample in dBFS; None if all are 0.
        rms_dbfs: root mean square in dB relative to a full-scale square wave; None if all are 0.
        dc_offset: mean of the samples; full scale is 1.
        n_clipped: number of clipped crests.
    """

    peak_dbfs: float | None
    rms_dbfs: float | None
    dc_offset: float
    n_clipped: int


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Stretches of 50 ms whose peak is 60 dB or more below that of the recording."""

    share: float
    """Share of the recording that is silent, 0 to 1."""
    leading_s: float
    """Length of the silence at the start in s."""
    trailing_s: float
    """Length of the silence at the end in s."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What was measured of a recording."""

    sample_rate_hz: int
    """Samples per second."""
    n_samples: int
    """Samples of each channel."""
    n_channels: int
    """Number of channels."""
    duration_s: float
    """Length in s."""
    channels: tuple[ChannelLevel, ...]
    """Levels of every channel."""
    silence: Silence
    """Where nothing sounds."""
    channels_are_equal: bool
    """Whether there are several channels, and all hold the same samples."""

    def warnings(self) -> list[str]:
        """Return sentences of what may be wrong with the recording."""
        found = []
        n_clipped = sum(channel.n_clipped for channel in self.channels)
        if n_clipped:
            found.append(
                f"clipped: {n_clipped} crest{'s are' if n_clipped > 1 else ' is'} cut off, which "
                "adds partials that no instrument plays"
            )
        offsets = [
            channel.dc_offset
            for channel in self.channels
            if channel.rms_dbfs is not None
            and abs(channel.dc_offset) > OFFSET_SHARE * 10 ** (channel.rms_dbfs / 20)
        ]
        if offsets:
            largest = max(offsets, key=abs)
            found.append(f"DC offset of {largest:+.4f} (full scale is 1): it ends in the residual")
        if self.silence.share >= MUCH_SILENCE:
            found.append(
                f"silent for {self.silence.share:.0%} of the time, from which nothing is learned; "
                "choose a part with --start and --duration"
            )
        if self.channels_are_equal:
            found.append(
                "mono: all channels are alike, and so will be those of every stem; a file with one "
                "channel takes less time"
            )
        return found


def describe(recording: Recording) -> Sound:
    """Measure a recording, block by block, so that no copy of it is made."""
    samples = recording.samples
    return Sound(
        sample_rate_hz=recording.sample_rate_hz,
        n_samples=recording.n_samples,
        n_channels=recording.n_channels,
        duration_s=recording.duration_s,
        channels=tuple(_level(samples[:, c]) for c in range(recording.n_channels)),
        silence=_silence(recording),
        channels_are_equal=recording.n_channels > 1
        and all(bool((block == block[:, :1]).all()) for _, block in _blocks(samples, 1)),
    )


def _blocks(
    samples: NDArray[np.float32], n_stretch: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the first sample and the content of blocks that hold whole stretches.

    Args:
        samples: ``[t]`` or ``[t, c]``.
        n_stretch: length of a stretch in samples; only the last block may end within one.
    """
    size = _BLOCK_STRETCHES * max(n_stretch, 1000)
    for start in range(0, len(samples), size - size % n_stretch):
        yield start, samples[start : start + size - size % n_stretch]


def _level(channel: NDArray[np.float32]) -> ChannelLevel:
    """Return the levels of the samples ``[t]`` of one channel."""
    peak, total, energy = 0.0, 0.0, 0.0
    for _, block in _blocks(channel, 1):
        peak = max(peak, float(block.max()), -float(block.min()))
        total += float(block.sum(dtype=np.float64))
        energy += float(np.einsum("t,t->", block, block, dtype=np.float64))
    return ChannelLevel(
        peak_dbfs=decibels(peak),
        rms_dbfs=decibels(math.sqrt(energy / len(channel))),
        dc_offset=total / len(channel),
        n_clipped=_n_clipped(channel, peak) if peak >= QUIETEST_CREST else 0,
    )


def _n_clipped(channel: NDArray[np.float32], peak: float) -> int:
    """Return the number of crests of a channel ``[t]`` with a flat top."""
    blocks = _blocks(channel, 1)
    near = np.concatenate([i + np.flatnonzero(np.abs(x) >= CREST * peak) for i, x in blocks])
    near = near[near <= len(channel) - CLIPPED_RUN]
    # Samples that are followed by equal ones; neighbours among them belong to the same crest.
    flat = np.ones(len(near), bool)
    for step in range(1, CLIPPED_RUN):
        flat &= channel[near + step] == channel[near]
    tops = near[flat]
    return len(tops) - int((np.diff(tops) == 1).sum())


def _silence(recording: Recording) -> Silence:
    """Return where the recording is silent."""
    n_stretch = max(1, round(STRETCH_S * recording.sample_rate_hz))
    peaks = np.concatenate(
        [
            np.maximum.reduceat(np.abs(block).max(axis=1), np.arange(0, len(block), n_stretch))
            for _, block in _blocks(recording.samples, n_stretch)
        ]
    )
    sounding = np.flatnonzero(peaks >= peaks.max() * 10 ** (SILENCE_DB / 20))
    stretch_s = n_stretch / recording.sample_rate_hz
    return Silence(
        share=1 - len(sounding) / len(peaks),
        leading_s=float(sounding[0]) * stretch_s,
        trailing_s=float(len(peaks) - 1 - sounding[-1]) * stretch_s,
    )
