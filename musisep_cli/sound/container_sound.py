"""Sounds in containers that libsndfile does not know, decoded by FFmpeg's libraries (PyAV).

Phones record m4a, cameras mp4 and mov, browsers webm. The first sound track is taken. What an
encoder put before and behind the sound is dropped where the container tells it (edit lists and
iTunSMPB of m4a, the codec delay of webm).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from musisep_cli.errors import InputError
from musisep_cli.sound.opened_sound import LENGTH_UNKNOWN, READABLE, OpenedSound, Precision, Samples

FORMATS = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "dtshd", "eac3",
    "flac", "flv", "iff", "ircam", "loas", "matroska", "mov", "mp3", "mpc", "mpc8", "mpeg",
    "mpegts", "nistsphere", "ogg", "oma", "rm", "sox", "tak", "truehd", "tta", "voc", "w64", "wav",
    "wv", "xwma",
)  # fmt: skip
"""What is opened, by FFmpeg's names: no playlists, which would lead to other files or the net."""
_EXACT = {"ape", "caf", "mov", "tak", "tta", "wav", "w64", "wv"}
"""Containers that tell the length of a track to the sample."""
_PROTECTED = {"drms", "enca"}
"""What stands for the codec of a track that is encrypted: Apple's sign, and that of MPEG."""
_LONGEST_PADDING = 8192
"""Samples that encoders of AAC put behind the sound at most, at twice the rate for its halves."""
_MISSING_S = 0.25
"""What may be missing from the length that a container tells: encoders round it to their frames."""


class ContainerSound(OpenedSound):
    """The first sound track of a container; the attributes are those of every `OpenedSound`."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        self.path = path
        self._container = container
        self._stream = stream
        self._format = container.format.name.split(",")[0]
        frames = _frames(path, container, stream)
        # The first frame tells what the header may not: AAC can double the rate that it announces.
        first = next(frames, None)
        if first is None:
            how = "is cut off" if self._announced_s() else "holds no samples"
            raise InputError(f"{path}: {how}: nothing can be decoded. Copy or export it again.")
        self._frames = chain([first], frames)
        self.container = f"{self._format.upper()} {stream.codec_context.codec.name.upper()}"
        self.sample_rate_hz = first.sample_rate
        self.n_channels = first.layout.nb_channels
        announced_s = self._announced_s()
        self.is_estimate = True
        self.n_samples = (
            LENGTH_UNKNOWN if announced_s is None else round(announced_s * self.sample_rate_hz)
        )

    def check_whole(self) -> None:
        """Refuse nothing yet: how long it is shows when it is decoded."""

    def blocks(self, precision: Precision) -> Iterator[Samples]:
        """Yield the sound from its start to its end, as consecutive stretches [t, c]; once."""
        n_read = 0
        for block in _without_padding(self._decoded(), self._told_samples()):
            n_read += len(block)
            yield block.astype(precision)
        self._check_length(n_read)
        self.n_samples, self.is_estimate = n_read, False

    def _decoded(self) -> Iterator[Samples]:
        """All that is decoded, [t, c]."""
        n_read = 0
        for frame in self._frames:
            kind = (frame.sample_rate, frame.layout.nb_channels)
            if kind != (self.sample_rate_hz, self.n_channels):
                raise InputError(
                    f"{self.path}: changes its sample rate or channels at"
                    f" {n_read / self.sample_rate_hz:.2f} s. Export it again."
                )
            n_read += frame.samples
            yield _samples(frame)

    def _announced_s(self) -> float | None:
        """The length that the container tells, in seconds."""
        track = self._stream
        if track.duration is not None and track.duration > 0:
            return float(track.duration * track.time_base)
        duration = self._container.duration
        return None if duration is None or duration <= 0 else duration / av.time_base

    def _told_samples(self) -> int:
        """How long the sound is without what fills the encoder's last frames, if that is told."""
        announced_s = self._announced_s()
        if self._format != "mov" or announced_s is None:
            return LENGTH_UNKNOWN
        # Apple's encoders write delay, padding and the length between them, in hexadecimal digits.
        numbers = self._container.metadata.get("iTunSMPB", "")
        told = re.match(r"( [0-9A-F]{8}){3} ([0-9A-F]{16})", numbers)
        n_told = int(told[2], 16) if told else 0
        n_announced = round(announced_s * self.sample_rate_hz)
        return n_told if 0 <= n_announced - n_told <= _LONGEST_PADDING else n_announced

    def _check_length(self, n_samples: int) -> None:
        """Refuse a file that holds less than it says.

        Of a video the container's length may be that of its pictures; then nothing is known.
        """
        tells = self._format in _EXACT and self._stream.duration
        tells = tells or (self._format in ("matroska", "asf") and len(self._container.streams) == 1)
        announced_s = self._announced_s()
        there_s = n_samples / self.sample_rate_hz
        if tells and announced_s and there_s < announced_s - _MISSING_S:
            raise self.cut_error(there_s / announced_s)


@contextmanager
def open_container(path: Path, file: BinaryIO) -> Iterator[ContainerSound | None]:
    """Open a container, or find that it is an MP3 without one.

    Args:
        path: Its name, for messages.
        file: The file. By what it holds, not by its name: FFmpeg would take some names for
            addresses.

    Yields:
        The first sound track; None of an MP3.

    Raises:
        InputError: There is no sound track in it that can be decoded.
    """
    try:
        container = _container(file)
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path}: is not a sound file, or is damaged or cut off ({_reason(error)}). "
            f"Give it as {READABLE}."
        ) from error
    with container:
        if container.format.name == "mp3":
            yield None
            return
        yield ContainerSound(path, container, _sound_track(path, container))


def is_without_sound(path: Path) -> bool:
    """Return whether a file is a whole video with pictures alone."""
    try:
        with path.open("rb") as file, _container(file) as container:
            return not container.streams.audio
    except (av.error.FFmpegError, OSError, ValueError):
        return False


def _container(file: BinaryIO) -> InputContainer:
    """What FFmpeg sees in a file, of the formats that lead to no other."""
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    return av.open(file, "r", container_options=options, metadata_errors="ignore")


def _sound_track(path: Path, container: Any) -> Any:
    """The first sound track, or why there is none."""
    if not container.streams.audio:
        raise InputError(f"{path}: holds no sound, only {_kinds(container)}. Give one with sound.")
    track = container.streams.audio[0]
    decoder = track.codec_context
    if decoder is None or decoder.codec is None or decoder.codec_tag in _PROTECTED:
        raise _protected(path)
    return track


def _kinds(container: Any) -> str:
    kinds = {stream.type for stream in container.streams if stream.type}
    return " and ".join(sorted("pictures" if kind == "video" else kind for kind in kinds)) or "data"


def _frames(path: Path, container: Any, track: Any) -> Iterator[Any]:
    """The decoded frames of a track. Broken packets before the first and at the end are dropped."""
    n_read, broken = 0, False
    for frames in _decoded_packets(path, container, track):
        broken |= frames is None
        if frames and broken and n_read:
            raise InputError(
                f"{path}: is damaged at {n_read / frames[0].sample_rate:.2f} s. "
                "Copy or export it again, or take what comes before with --duration."
            )
        for frame in frames or []:
            n_read, broken = n_read + frame.samples, False
            yield frame
    if broken and not n_read:
        raise _protected(path)


def _decoded_packets(path: Path, container: Any, track: Any) -> Iterator[list[Any] | None]:
    """The frames of every packet of a track; None for one that cannot be decoded."""
    try:
        for packet in container.demux(track):
            try:
                yield track.codec_context.decode(packet)
            except av.error.FFmpegError:
                yield None
    except av.error.FFmpegError as error:
        raise InputError(
            f"{path}: is damaged or cut off ({_reason(error)}). Copy or export it again."
        ) from error


def _without_padding(blocks: Iterable[Samples], n_told: int) -> Iterator[Samples]:
    """Blocks [t, c] up to the end that is told, unless far more follows: then the header is wrong.

    >>> blocks = [np.zeros((5000, 1)), np.zeros((5000, 1)), np.zeros((5000, 1))]
    >>> [[len(block) for block in _without_padding(blocks, told)] for told in (12000, 3000)]
    [[5000, 5000, 2000], [3000, 12000]]
    """
    n_read, held = 0, []
    for block in blocks:
        n_within = max(n_told - n_read, 0)
        n_read += len(block)
        if n_within:
            yield block[:n_within]
        if n_within < len(block):
            held.append(block[n_within:])
        if held and n_read - n_told > _LONGEST_PADDING:
            yield np.concatenate(held)
            n_told, held = LENGTH_UNKNOWN, []


def _samples(frame: Any) -> NDArray[np.floating[Any]]:
    """The samples [t, c] of a frame; full scale is 1, and integers come through exactly."""
    values: NDArray[Any] = frame.to_ndarray()
    n_channels = frame.layout.nb_channels
    columns = values.T if frame.format.is_planar else values.reshape(-1, n_channels)
    if columns.dtype.kind == "f":
        return columns
    full_scale = 2.0 ** (8 * columns.dtype.itemsize - 1)
    middle = full_scale if columns.dtype.kind == "u" else 0.0
    samples: NDArray[np.float64] = (columns.astype(np.float64) - middle) / full_scale
    return samples


def _protected(path: Path) -> InputError:
    return InputError(
        f"{path}: its sound cannot be decoded: protected against copying (DRM), of an unknown"
        f" kind, or damaged. Give it unprotected, as {READABLE}."
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
