"""Sounds in MP3 and its older layers, decoded frame by frame to the last one there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
import soxr
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from musisep_cli.errors import InputError
from musisep_cli.sound.mpeg_stream import MpegStream, Part, find_stream
from musisep_cli.sound.mpeg_tags import Bytes
from musisep_cli.sound.opened_sound import OpenedSound, Precision, Samples

_FRAMES_AT_ONCE = 128
"""About 3 s: large beside the cost of a call, small beside any memory."""


class MpegSound(OpenedSound):
    """An MP3; the attributes are those of every `OpenedSound`.

    Of a file that was joined of several, each part is decoded by itself and freed of the silence
    that its encoder put around it. All get the rate of the first and the channels of the widest.
    """

    def __init__(self, path: Path, data: Bytes, stream: MpegStream) -> None:
        first = stream.parts[0].header
        self.path = path
        self.container = f"MP3 MPEG_LAYER_{'I' * first.layer}"
        self.sample_rate_hz = first.sample_rate_hz
        self.n_channels = max(part.header.n_channels for part in stream.parts)
        rates_hz = [part.header.sample_rate_hz for part in stream.parts]
        self.n_samples = sum(
            round(part.n_samples * self.sample_rate_hz / rate_hz)
            for part, rate_hz in zip(stream.parts, rates_hz, strict=True)
        )
        self.is_estimate = len(set(rates_hz)) > 1
        self._data = data
        self._stream = stream

    def check_whole(self) -> None:
        """Refuse a file that has fewer frames than it says, or ends within one."""
        if not self._stream.is_cut_off:
            return
        n_missing = self._stream.missing_frames
        if not n_missing:
            raise self.cut_error()
        last = self._stream.parts[-1].header
        n_there = self.n_samples / self.sample_rate_hz
        missing_s = n_missing * last.n_samples / last.sample_rate_hz
        raise self.cut_error(n_there / (n_there + missing_s))

    def blocks(self, precision: Precision) -> Iterator[Samples]:
        """Yield the sound from its start to its end, as consecutive stretches [t, c]."""
        n_read = 0
        for part in self._stream.parts:
            blocks = _sounding(_decoded(self._data, part), part)
            if part.header.sample_rate_hz != self.sample_rate_hz:
                blocks = _resampled(blocks, part, self.sample_rate_hz)
            for block in blocks:
                n_read += len(block)
                # A mono part sounds in all channels.
                yield np.broadcast_to(block, (len(block), self.n_channels)).astype(precision)
        self.check_whole()
        self.n_samples, self.is_estimate = n_read, False


def open_mpeg(path: Path) -> MpegSound:
    """Open an MP3.

    Raises:
        InputError: There are no frames in it.
    """
    data = path.read_bytes()
    stream = find_stream(data)
    if stream is None or not any(part.places for part in stream.parts):
        raise InputError(
            f"{path}: is not a sound file, or is damaged or cut off (no frames of MP3 in it). "
            "Export it again."
        )
    return MpegSound(path, data, stream)


def _decoded(data: Bytes, part: Part) -> Iterator[NDArray[np.float32]]:
    """All samples of a part's frames, [t, c]."""
    layer = part.header.layer
    decoder = cast(AudioCodecContext, av.CodecContext.create(f"mp{layer}float", "r"))
    places = part.places
    for start in range(0, len(places), _FRAMES_AT_ONCE):
        frames = [
            _decoded_frame(decoder, bytes(data[first:end]), part)
            for first, end in places[start : start + _FRAMES_AT_ONCE]
        ]
        yield np.concatenate(frames, axis=1).T


def _decoded_frame(decoder: AudioCodecContext, content: bytes, part: Part) -> NDArray[np.float32]:
    """The samples of one frame, [c, t]; of one that cannot be decoded, as many zeros."""
    n_channels, n_samples = part.header.n_channels, part.header.n_samples
    try:
        decoded = decoder.decode(av.Packet(content))
    except av.error.FFmpegError:
        decoded = []
    for frame in decoded:
        samples = frame.to_ndarray().astype(np.float32, copy=False)
        if samples.shape == (n_channels, n_samples):
            return samples
    return np.zeros((n_channels, n_samples), np.float32)


def _sounding(blocks: Iterator[NDArray[np.float32]], part: Part) -> Iterator[NDArray[np.float32]]:
    """The samples without the silence that the encoder put before and behind the sound."""
    n_dropped, n_left = part.delay_samples, part.n_samples
    for block in blocks:
        sounding = block[n_dropped:][:n_left]
        n_dropped = max(n_dropped - len(block), 0)
        n_left -= len(sounding)
        yield sounding


def _resampled(
    blocks: Iterator[NDArray[np.float32]], part: Part, sample_rate_hz: int
) -> Iterator[NDArray[np.float32]]:
    """The samples of a part at the rate of the first."""
    header = part.header
    stream = soxr.ResampleStream(
        header.sample_rate_hz, sample_rate_hz, header.n_channels, dtype="float32", quality="VHQ"
    )
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros((0, header.n_channels), np.float32), last=True)
