"""Track: a sound file, read as blocks of a common rate, length and channel count.

Every step is a generator over chunks ``[t, c]``, so memory holds a few chunks of any recording; of
an MP3, the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import InputError
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.sound import audio_file

Chunk = NDArray[np.float64]
UNKNOWN_LENGTH = 2**62
"""Lengths from here on are libsndfile's word for a stream without an end."""


@dataclass(frozen=True)
class Track:
    """What a sound file says of itself."""

    path: Path
    sample_rate_hz: int
    n_samples: int
    n_channels: int

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    def samples_at(self, sample_rate_hz: int) -> int:
        """Length at another rate."""
        return round(self.n_samples * sample_rate_hz / self.sample_rate_hz)


@dataclass(frozen=True)
class Layout:
    """What all tracks of one take are brought to."""

    sample_rate_hz: int
    n_samples: int
    n_channels: int


def open_track(path: Path) -> Track:
    """Reads the header of a sound file."""
    with audio_file.opened(path) as sound:
        if not 0 < sound.frames < UNKNOWN_LENGTH:
            raise InputError(
                f"{path}: holds no samples, or does not say how many. Export it again."
            )
        return Track(path, sound.samplerate, sound.frames, sound.channels)


def read_blocks(track: Track, layout: Layout, lag_samples: int = 0) -> Iterator[Chunk]:
    """The track in ``layout``, ``lag_samples`` earlier.

    Yields:
        Blocks ``[c, t]`` of ``BLOCK_SAMPLES``, the last one shorter.
    """
    chunks = _with_channels(_decoded(track), layout.n_channels)
    if track.sample_rate_hz != layout.sample_rate_hz:
        chunks = _resampled(chunks, track.sample_rate_hz, layout)
    return _cut_evenly(_shifted(chunks, lag_samples), layout)


def _decoded(track: Track) -> Iterator[Chunk]:
    """Chunks ``[t, c]`` as the file has them, all that it announces and nothing but numbers."""
    n_left = track.n_samples
    with audio_file.opened(track.path) as sound:
        # Soundfile seeks after every read, and an MP3's decoder loses its state with it: only one
        # read of the whole is exact.
        size = max(track.n_samples, 1) if sound.format == "MP3" else BLOCK_SAMPLES
        while len(chunk := sound.read(size, dtype="float64", always_2d=True)):
            if not np.isfinite(chunk).all():
                raise InputError(
                    f"{track.path}: some samples are NaN or infinite, and nothing can be scored"
                    " with them. Export it again."
                )
            n_left -= len(chunk)
            yield chunk
    if n_left > 0:
        raise InputError(f"{track.path}: is cut off, {n_left} samples are missing. Copy it again.")


def _with_channels(chunks: Iterator[Chunk], n_channels: int) -> Iterator[Chunk]:
    """The same channels, or their mean in all of ``n_channels``."""
    for chunk in chunks:
        if chunk.shape[1] == n_channels:
            yield chunk
        else:
            yield np.repeat(chunk.mean(axis=1, keepdims=True), n_channels, axis=1)


def _resampled(chunks: Iterator[Chunk], sample_rate_hz: int, layout: Layout) -> Iterator[Chunk]:
    """At the layout's rate, with the resampler that librosa uses, chunk by chunk."""
    import soxr

    stream = soxr.ResampleStream(
        sample_rate_hz, layout.sample_rate_hz, layout.n_channels, dtype="float64", quality="VHQ"
    )
    for chunk in chunks:
        yield stream.resample_chunk(np.ascontiguousarray(chunk))
    yield stream.resample_chunk(np.zeros((0, layout.n_channels)), last=True)


def _shifted(chunks: Iterator[Chunk], lag_samples: int) -> Iterator[Chunk]:
    """Without the first ``lag_samples``, or after as many zeros where the number is negative.

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
    """Blocks ``[c, t]`` of ``layout.n_samples`` in all, with zeros after the last chunk."""
    held = np.zeros((0, layout.n_channels))
    for start in range(0, layout.n_samples, BLOCK_SAMPLES):
        n_block = min(BLOCK_SAMPLES, layout.n_samples - start)
        while len(held) < n_block:
            chunk = next(chunks, None)
            if chunk is None:
                held = np.pad(held, [(0, n_block - len(held)), (0, 0)])
            else:
                held = np.concatenate([held, chunk])
        yield held[:n_block].T
        held = held[n_block:]
