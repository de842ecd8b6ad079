"""Sound files in and out."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from musisep_cli.errors import ConfigError, InputError, OutputError
from musisep_cli.machine.files import atomic_path
from musisep_cli.sound.blockwise import Blockwise, blocks, extremes
from musisep_cli.sound.opened_sound import LENGTH_UNKNOWN, OpenedSound, Samples
from musisep_cli.sound.opening import libsndfile, opened
from musisep_cli.sound.recording import (
    MAX_DURATION_S,
    MIN_DURATION_S,
    Recording,
    check_content,
    check_format,
    check_length,
)

Subtype = Literal["float32", "int24", "int16"]

_SUBTYPES = {"float32": "FLOAT", "int24": "PCM_24", "int16": "PCM_16"}
_BITS = {"float32": 32, "int24": 24, "int16": 16}
_MAX_FLAC_CHANNELS = 8
# A RIFF header counts bytes in 32 bits; the margin is for the header itself.
_MAX_RIFF_BYTES = (1 << 32) - (1 << 16)


def read(path: Path, *, start_s: float | None = None, duration_s: float | None = None) -> Recording:
    """Read a sound file, or an excerpt, and make sure that there is something in it to separate.

    Args:
        path: A sound file or a video, of which the first sound track is taken.
        start_s: Where the excerpt starts, in seconds; the beginning if None.
        duration_s: How long it is, in seconds; to the end if None.

    Returns:
        The samples [t, c] as they are in the file, float32, neither resampled nor scaled.

    Raises:
        InputError: The file cannot be used; the message says why and what to do.
        ConfigError: `start_s` or `duration_s` is out of range whatever the file.
    """
    check_excerpt(start_s, duration_s)
    with opened(path) as sound:
        check_format(path, n_channels=sound.n_channels, sample_rate_hz=sound.sample_rate_hz)
        if duration_s is None:
            sound.check_whole()
        samples = _excerpt(sound, start_s or 0.0, duration_s)
        whole = start_s is None and duration_s is None
        recording = Recording(
            samples=samples,
            sample_rate_hz=sound.sample_rate_hz,
            path=path,
            start_s=None if whole else start_s or 0.0,
        )
    check_content(recording)
    return recording


@dataclass(frozen=True)
class Stored:
    """A sound that musisep wrote, read a block at a time; a silent stem is no error here.

    Attributes:
        path: its file.
        gain: what it was multiplied by when it was written.
    """

    path: Path
    gain: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples t and of channels c."""
        with libsndfile(self.path) as sound:
            return sound.frames, sound.channels

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        """Some consecutive samples [t, c]."""
        with libsndfile(self.path) as sound:
            first, end, _ = block.indices(sound.frames)
            sound.seek(first)
            samples: NDArray[np.float32] = sound.read(end - first, "float32", always_2d=True)
        return samples / np.float32(self.gain)


def check_target(path: Path, *, n_channels: int, subtype: Subtype) -> None:
    """Make sure that a file of this name can hold such samples, before any work is done.

    Args:
        path: The file to be written; its suffix, .wav or .flac, is its format.
        n_channels: Number of channels c.
        subtype: The number format.

    Raises:
        ConfigError: The suffix is another, or FLAC is asked for floats or for too many channels.
    """
    suffix = path.suffix.lower()
    if suffix not in (".wav", ".flac"):
        raise ConfigError(f"{path}: stems are written as .wav or .flac, not as '{path.suffix}'.")
    if suffix == ".flac" and subtype == "float32":
        raise ConfigError(
            f"{path}: FLAC holds integers only, and float32 was asked for. "
            "Add --int24 or --int16, or leave out --flac."
        )
    if suffix == ".flac" and n_channels > _MAX_FLAC_CHANNELS:
        raise ConfigError(
            f"{path}: FLAC holds at most {_MAX_FLAC_CHANNELS} channels, and there are "
            f"{n_channels}. Leave out --flac."
        )


def write(
    path: Path,
    samples: Blockwise,
    sample_rate_hz: int,
    *,
    subtype: Subtype = "float32",
    gain: float = 1.0,
) -> None:
    """Write a WAV or FLAC file: whole or not at all, and the same bytes for the same samples.

    Integers are rounded to nearest, and scaled so that what `read` gives is written back bit for
    bit. A WAV beyond 4 GB becomes RF64.

    Args:
        path: The file to write or replace; its suffix, .wav or .flac, is its format.
        samples: [t, c]; for the integer formats within full scale, see `common_gain`.
        sample_rate_hz: Samples per second.
        subtype: The number format.
        gain: What the samples are multiplied by.

    Raises:
        ConfigError: The format cannot hold such samples.
        OutputError: A sample is not finite, or beyond full scale in an integer format, or the file
            system refuses.
    """
    n_samples, n_channels = samples.shape
    check_target(path, n_channels=n_channels, subtype=subtype)
    with atomic_path(path) as temporary:
        try:
            with (
                temporary.open("wb") as stream,
                soundfile.SoundFile(
                    stream.fileno(),
                    "w",
                    samplerate=sample_rate_hz,
                    channels=n_channels,
                    subtype=_SUBTYPES[subtype],
                    format=_container(path, n_samples * n_channels, subtype),
                    closefd=False,
                ) as sound,
            ):
                for block in blocks(n_samples):
                    scaled = samples[block] * np.float32(gain)
                    sound.write(_encoded(path, scaled, subtype))
        except soundfile.SoundFileError as error:
            raise OutputError(
                f"{path}: cannot be written ({error}). It needs free space and a usual sample rate."
            ) from error
        _check_complete(path, temporary, n_samples)
        _drop_time_of_writing(temporary)


def common_gain(stems: Iterable[Blockwise], *, subtype: Subtype) -> float:
    """The largest gain, at most 1, that keeps all stems within full scale.

    One gain for all: stems that were scaled one by one would no longer add up to the recording.

    Args:
        stems: Each [t, c], finite.
        subtype: The number format; float32 has no full scale to keep.

    Returns:
        The gain; 1 if nothing needs it.

    >>> round(common_gain([np.array([[0.5]]), np.array([[-2.0]])], subtype="int16"), 6)
    0.5
    """
    if subtype == "float32":
        return 1.0
    highest = 1.0 - 2.0 ** (1 - _BITS[subtype])  # two's complement reaches -1, but not +1
    gain = 1.0
    for stem in stems:
        low, high = extremes(stem)
        gain = min(gain, highest / max(high, highest), 1.0 / max(-low, 1.0))
    # The product of gain and sample is rounded to float32, perhaps upwards.
    return gain if gain == 1.0 else gain * (1.0 - 2.0**-22)


def check_excerpt(start_s: float | None, duration_s: float | None) -> None:
    """Make sure that an excerpt can be meant, before any file is opened.

    Args:
        start_s: Where it starts, in seconds, if that was given.
        duration_s: How long it is, in seconds, if that was given.

    Raises:
        ConfigError: One of them is out of range whatever the file.
    """
    _check_seconds("--start", start_s, lowest=0.0)
    _check_seconds("--duration", duration_s, lowest=MIN_DURATION_S)


def _check_seconds(flag: str, seconds: float | None, *, lowest: float) -> None:
    if seconds is not None and not (lowest <= seconds < math.inf):
        raise ConfigError(f"{flag} {seconds}: a number of seconds from {lowest} up is needed.")


def _excerpt(sound: OpenedSound, start_s: float, duration_s: float | None) -> NDArray[np.float32]:
    """The samples [t, c] that are asked for, all of them."""
    path, rate_hz = sound.path, sound.sample_rate_hz
    first = round(start_s * rate_hz)
    if sound.is_estimate:
        longest = MAX_DURATION_S + 1 / rate_hz  # one sample more than is taken
        samples = sound.read(first, round((duration_s or longest) * rate_hz))
        # What was decoded to its end is known now.
        is_known = not sound.is_estimate
        count = _count(sound, start_s, duration_s) if is_known else len(samples)
        check_length(path, n_samples=count, sample_rate_hz=rate_hz)
    else:
        count = _count(sound, start_s, duration_s)
        check_length(path, n_samples=count, sample_rate_hz=rate_hz)
        samples = sound.read(first, count)
    if len(samples) < count:
        raise sound.cut_error((first + len(samples)) / sound.n_samples)
    return samples


def _count(sound: OpenedSound, start_s: float, duration_s: float | None) -> int:
    """Number of samples that are asked for, of a sound whose length is known."""
    path, rate_hz, n_samples = sound.path, sound.sample_rate_hz, sound.n_samples
    if n_samples == 0:
        return 0
    if n_samples == LENGTH_UNKNOWN and duration_s is None:
        raise InputError(
            f"{path}: does not say how long it is, as if recorded through a pipe. "
            "Convert it once more, or give a --duration."
        )
    first = round(start_s * rate_hz)
    count = n_samples - first if duration_s is None else round(duration_s * rate_hz)
    if first >= n_samples:
        raise InputError(
            f"{path}: is {n_samples / rate_hz:.2f} s long, and --start {start_s} lies behind its "
            "end. Start earlier."
        )
    if first + count > n_samples:
        raise InputError(
            f"{path}: is {n_samples / rate_hz:.2f} s long, and --start {start_s} --duration "
            f"{duration_s} reaches beyond its end. Give a shorter --duration."
        )
    return count


def _container(path: Path, n_values: int, subtype: Subtype) -> str:
    if path.suffix.lower() == ".flac":
        return "FLAC"
    return "WAV" if n_values * _BITS[subtype] // 8 <= _MAX_RIFF_BYTES else "RF64"


def _encoded(path: Path, block: Samples, subtype: Subtype) -> NDArray[np.float32 | np.int32]:
    """Samples [t, c] in the type that libsndfile writes without changing them."""
    if not np.isfinite(block).all():
        raise OutputError(f"{path}: not written, since samples are not finite. Please report this.")
    if subtype == "float32":
        return block.astype(np.float32)
    # libsndfile's own conversion scales by 2^15 - 1 on the way out and by 2^15 on the way in,
    # which is not the identity.
    full_scale = 2 ** (_BITS[subtype] - 1)
    integers = np.rint(block.astype(np.float64) * full_scale)
    if integers.min() < -full_scale or integers.max() >= full_scale:
        raise OutputError(
            f"{path}: not written, since samples are beyond full scale, which {subtype} cannot "
            "hold. Scale all stems by one common gain, or write float32."
        )
    # Of 32 bits libsndfile takes the upper ones.
    shifted: NDArray[np.int32] = integers.astype(np.int32) << (32 - _BITS[subtype])
    return shifted


def _check_complete(path: Path, temporary: Path, n_samples: int) -> None:
    """Refuse a file that came out too short, which may be all that a full disk shows."""
    try:
        n_written = soundfile.info(temporary).frames
    except soundfile.SoundFileError:
        n_written = 0
    if n_written != n_samples:
        raise OutputError(
            f"{path}: only {n_written} of {n_samples} samples could be written. "
            "Is the disk full? Make space, or choose another folder with --out."
        )


def _drop_time_of_writing(path: Path) -> None:
    """Clear the time stamp that libsndfile puts into the PEAK chunk of float files.

    With it, the same run would not give the same bytes twice.
    """
    with path.open("rb+") as stream:
        header = stream.read(4096).partition(b"data")[0]
        chunk = header.find(b"PEAK")
        if chunk >= 0:
            stream.seek(chunk + 12)  # after the chunk's name, size and version
            stream.write(bytes(4))
