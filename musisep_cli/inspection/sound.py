"""Sound: what a recording is, in numbers.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.recording import Recording

SILENCE_DB = -60.0
"""A stretch whose peak is lower than this, relative to the recording's peak, is silent."""
STRETCH_S = 0.05
"""Length of such a stretch."""
CLIPPED_RUN = 4
"""So many equal samples in a row at a channel's peak are a cut-off crest: what is merely loud
touches its peak with one or two."""
CREST = 0.999
QUIETEST_CREST = 0.25
"""Below this peak the steps of 16 bits make plateaus of their own."""
OFFSET_SHARE = 0.3
"""A DC offset is worth a word from this share of the RMS level on."""
MUCH_SILENCE = 0.3
"""Silence is worth a word from this share on."""
_BLOCK_STRETCHES = 400


@dataclass(frozen=True, kw_only=True)
class ChannelLevel:
    """How loud a channel is.

    Attributes:
        peak_dbfs: largest sample; None if all are 0.
        rms_dbfs: root of the mean square, re a full-scale square wave; None if all are 0.
        dc_offset: mean; full scale is 1.
        n_clipped: crests that are cut off.
    """

    peak_dbfs: float | None
    rms_dbfs: float | None
    dc_offset: float
    n_clipped: int


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Where nothing sounds, 60 dB below the peak or more, in stretches of 50 ms."""

    share: float
    leading_s: float
    trailing_s: float


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A recording in numbers."""

    sample_rate_hz: int
    n_samples: int
    n_channels: int
    duration_s: float
    channels: tuple[ChannelLevel, ...]
    silence: Silence
    channels_are_equal: bool

    def warnings(self) -> list[str]:
        """What may be wrong with the recording, in words."""
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
                f"silent for {self.silence.share:.0%} of the time: nothing is learned from that; "
                "--start and --duration take a part"
            )
        if self.channels_are_equal:
            found.append(
                "mono: all channels are alike, and those of every stem will be; one channel would "
                "take less time"
            )
        return found


def describe(recording: Recording) -> Sound:
    """A recording in numbers, in blocks: no copy of it is made."""
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


def decibels(ratio: float) -> float | None:
    """An amplitude ratio in dB; None for 0.

    >>> decibels(0.1), decibels(0.0)
    (-20.0, None)
    """
    return 20 * math.log10(ratio) if ratio > 0 else None


def _blocks(
    samples: NDArray[np.float32], n_stretch: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Start and content of blocks of whole stretches, the last one shorter."""
    size = _BLOCK_STRETCHES * max(n_stretch, 1000)
    for start in range(0, len(samples), size - size % n_stretch):
        yield start, samples[start : start + size - size % n_stretch]


def _level(channel: NDArray[np.float32]) -> ChannelLevel:
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
    """Number of crests with a flat top."""
    blocks = _blocks(channel, 1)
    near = np.concatenate([i + np.flatnonzero(np.abs(x) >= CREST * peak) for i, x in blocks])
    near = near[near <= len(channel) - CLIPPED_RUN]
    flat = np.ones(len(near), bool)
    for step in range(1, CLIPPED_RUN):
        flat &= channel[near + step] == channel[near]
    tops = near[flat]
    return len(tops) - int((np.diff(tops) == 1).sum())


def _silence(recording: Recording) -> Silence:
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
