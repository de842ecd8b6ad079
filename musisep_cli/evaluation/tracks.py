"""Tracks: sound files, read as blocks of a common sample rate, length and number of channels.

Every step is a generator over chunks ``[t, c]``: pieces of any length, as the step before delivers
them. The last step cuts them into blocks of one length. So memory holds a few chunks of any
recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import InputError
from musisep_cli.evaluation.delay import Delay, undone
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.sound.opened_sound import LENGTH_UNKNOWN
from musisep_cli.sound.opening import opened

Chunk = NDArray[np.float64]
"""Some consecutive samples ``[t, c]``."""


@dataclass(frozen=True)
class Track:
    """What the header of a sound file says.

    Attributes:
        path: the file.
        sample_rate_hz: samples per second.
        n_samples: samples of each channel.
        n_channels: number of channels.
        first_sample: number of the first one, where only a part is read.
    """

    path: Path
    sample_rate_hz: int
    n_samples: int
    n_channels: int
    first_sample: int = 0

    @property
    def name(self) -> str:
        """Return the file name without its suffix."""
        return self.path.stem

    def part(self, start_s: float, duration_s: float) -> Track:
        """Return the part of the track from a time on, or all of it if it ends before the part."""
        first, n_samples = (round(time * self.sample_rate_hz) for time in (start_s, duration_s))
        if first + n_samples > self.n_samples:
            return self
        return replace(self, first_sample=self.first_sample + first, n_samples=n_samples)

    def samples_at(self, sample_rate_hz: int) -> int:
        """Return the length in samples after resampling to another rate."""
        return round(self.n_samples * sample_rate_hz / self.sample_rate_hz)


@dataclass(frozen=True)
class Layout:
    """Sample rate, length and number of channels to which all tracks of a take are brought."""

    sample_rate_hz: int
    n_samples: int
    n_channels: int


def open_track(path: Path) -> Track:
    """Read the header of a sound file; where that only estimates its length, the whole.

    Raises:
        InputError: it cannot be read, holds no samples, or does not say how many.
    """
    with opened(path) as sound:
        if sound.is_estimate:
            for _ in sound.blocks("float32"):
                pass
        if not 0 < sound.n_samples < LENGTH_UNKNOWN:
            raise InputError(
                f"{path}: holds no samples, or does not say how many. Export it again."
            )
        return Track(path, sound.sample_rate_hz, sound.n_samples, sound.n_channels)


def read_blocks(track: Track, layout: Layout, delay: Delay | None = None) -> Iterator[Chunk]:
    """Read a track, and bring it to a layout.

    Args:
        track: the sound file.
        layout: sample rate, length and number of channels of the result.
        delay: how the track is late, in samples of the layout, which is undone.

    Yields:
        Blocks ``[c, t]`` of ``BLOCK_SAMPLES``; the last one is shorter.

    Raises:
        InputError: the file is damaged, cut off, or holds samples that are not finite.
    """
    chunks = _with_channels(_decoded(track), layout.n_channels)
    if track.sample_rate_hz != layout.sample_rate_hz:
        chunks = _resampled(chunks, track.sample_rate_hz, layout)
    if delay is None or delay.is_whole:
        moved = _shifted(chunks, round(delay.lag_samples) if delay else 0)
    else:
        moved = undone(chunks, delay)
    return _cut_evenly(moved, layout)


def _decoded(track: Track) -> Iterator[Chunk]:
    """Yield the samples of a file in chunks; refuse missing samples and those not finite."""
    n_before, n_left = track.first_sample, track.n_samples
    with opened(track.path) as sound:
        for block in sound.blocks("float64"):
            chunk = block.astype(np.float64, copy=False)
            if not np.isfinite(chunk).all():
                raise InputError(
                    f"{track.path}: some samples are NaN or infinite, and nothing can be scored"
                    " with them. Export it again."
                )
            chunk = chunk[n_before : n_before + n_left]
            n_before = max(n_before - len(block), 0)
            n_left -= len(chunk)
            yield chunk
            if n_left == 0:
                return
    if n_left > 0:
        raise InputError(f"{track.path}: is cut off, {n_left} samples are missing. Copy it again.")


def _with_channels(chunks: Iterator[Chunk], n_channels: int) -> Iterator[Chunk]:
    """Yield the chunks as they are, or with their mean in each of another number of channels."""
    for chunk in chunks:
        if chunk.shape[1] == n_channels:
            yield chunk
        else:
            yield np.repeat(chunk.mean(axis=1, keepdims=True), n_channels, axis=1)


def _resampled(chunks: Iterator[Chunk], sample_rate_hz: int, layout: Layout) -> Iterator[Chunk]:
    """Yield the chunks at the sample rate of the layout, through soxr, which librosa uses too."""
    import soxr

    stream = soxr.ResampleStream(
        sample_rate_hz, layout.sample_rate_hz, layout.n_channels, dtype="float64", quality="VHQ"
    )
    for chunk in chunks:
        yield stream.resample_chunk(np.ascontiguousarray(chunk))
    yield stream.resample_chunk(np.zeros((0, layout.n_channels)), last=True)


def _shifted(chunks: Iterator[Chunk], lag_samples: int) -> Iterator[Chunk]:
    """Yield the chunks without the first samples, or after zeros if the lag is negative.

    >>> steps = [np.array([[1.0], [2.0]]), np.array([[3.0]])]
    >>> [np.concatenate(list(_shifted(iter(steps), lag))).ravel().tolist() for lag in (1, -1)]
    [[2.0, 3.0], [0.0, 1.0, 2.0, 3.0]]
    """
    surplus = max(lag_samples, 0)
    missing = max(-lag_samples, 0)
    for chunk in chunks:
        yield np.pad(chunk[surplus:], [(missing, 0), (0, 0)])
        surplus = max(surplus - len(chunk), 0)
        missing = 0


def _cut_evenly(chunks: Iterator[Chunk], layout: Layout) -> Iterator[Chunk]:
    """Yield blocks ``[c, t]`` of the layout's length in all, with zeros after the last chunk."""
    waiting = np.zeros((0, layout.n_channels))  # samples that are not yet in a block, [t, c]
    for start in range(0, layout.n_samples, BLOCK_SAMPLES):
        n_block = min(BLOCK_SAMPLES, layout.n_samples - start)
        while len(waiting) < n_block:
            chunk = next(chunks, None)
            if chunk is None:
                waiting = np.pad(waiting, [(0, n_block - len(waiting)), (0, 0)])
            else:
                waiting = np.concatenate([waiting, chunk])
        yield waiting[:n_block].T
        waiting = waiting[n_block:]
