"""Recording: samples in memory, and the checks that say whether they can be separated.

Axes: ``t`` samples, ``c`` channels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import InputError

MIN_DURATION_S = 0.25
"""Shortest recording in seconds: one analysis window."""
MAX_DURATION_S = 24 * 3600.0
"""Longest recording in seconds: a day. A header that announces more is a mistake."""
MIN_RATE_HZ = 8_000
"""Lowest sample rate in Hz: that of a telephone."""
MAX_RATE_HZ = 384_000
"""Highest sample rate in Hz of usual converters."""
MAX_CHANNELS = 32
"""Largest number of channels, above that of all surround formats (22.2 has 24)."""

_QUIETEST = 1e-7
"""Amplitude below the last bit of 24: what varies by less is silence or a constant."""
_LOUDEST = 1e10
"""Amplitude whose square nears the end of float32; files in integer units (up to 2^31) pass."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A recording in memory.

    Attributes:
        samples: float32 ``[t, c]``; full scale is 1, and float files may go beyond it. Exact for
            files of up to 24 bits.
        sample_rate_hz: samples per second.
        path: the file that it was read from; None if it was made in memory.
        start_s: where in its file it starts, in seconds; None if it is the whole file.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    path: Path | None = None
    start_s: float | None = None

    @property
    def n_samples(self) -> int:
        """Return the number of samples t of each channel."""
        return len(self.samples)

    @property
    def n_channels(self) -> int:
        """Return the number of channels c."""
        channels: int = self.samples.shape[1]
        return channels

    @property
    def duration_s(self) -> float:
        """Return the length in seconds."""
        return self.n_samples / self.sample_rate_hz

    @property
    def mono(self) -> NDArray[np.float32]:
        """Return the mean of the channels, ``[t]``.

        >>> Recording(samples=np.array([[1, 0], [0.5, -1]], np.float32), sample_rate_hz=8000).mono
        array([ 0.5 , -0.25], dtype=float32)
        """
        mean: NDArray[np.float32] = self.samples.mean(axis=1)
        return mean


def check_shape(path: Path | None, *, n_samples: int, n_channels: int, sample_rate_hz: int) -> None:
    """Refuse a recording whose size or sample rate is out of range.

    These numbers stand in the header of a file, so the check comes before any memory is allocated.

    Args:
        path: the file that the recording comes from, if any, for the message.
        n_samples: number of samples t of each channel.
        n_channels: number of channels c.
        sample_rate_hz: samples per second.

    Raises:
        InputError: one of them is out of range.
    """
    if n_samples > 0:
        check_format(path, n_channels=n_channels, sample_rate_hz=sample_rate_hz)
    check_length(path, n_samples=n_samples, sample_rate_hz=sample_rate_hz)


def check_format(path: Path | None, *, n_channels: int, sample_rate_hz: int) -> None:
    """Refuse a recording by its rate and channels, which are known before it is decoded.

    Args:
        path: Where the recording comes from, if from a file.
        n_channels: Number of channels c.
        sample_rate_hz: Samples per second.

    Raises:
        InputError: One of them is out of range.
    """
    name = _label(path)
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
        raise InputError(
            f"{name}: has a sample rate of {sample_rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            "are needed. Resample it first."
        )
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise InputError(
            f"{name}: has {n_channels} channels; 1 to {MAX_CHANNELS} are needed. Mix it down first."
        )


def check_length(path: Path | None, *, n_samples: int, sample_rate_hz: int) -> None:
    """Refuse a recording by its length, as soon as that is known.

    Args:
        path: Where the recording comes from, if from a file.
        n_samples: Number of time samples t.
        sample_rate_hz: Samples per second.

    Raises:
        InputError: It is too short or too long.
    """
    name = _label(path)
    if n_samples == 0:
        raise InputError(f"{name}: holds no samples. Record or export it again.")
    duration_s = n_samples / sample_rate_hz
    if duration_s < MIN_DURATION_S:
        raise InputError(
            f"{name}: is {duration_s:.3f} s long; at least {MIN_DURATION_S} s are needed. "
            "Give a longer recording."
        )
    if duration_s > MAX_DURATION_S:
        raise InputError(
            f"{name}: is {duration_s / 3600:.1f} h long; at most {MAX_DURATION_S / 3600:.0f} h are "
            "taken. Take parts of it with --start and --duration."
        )


def check_content(recording: Recording) -> None:
    """Refuse a recording in which there is nothing to separate.

    Args:
        recording: at least one sample long.

    Raises:
        InputError: the recording is silent or constant, or it holds numbers that are no sound (NaN,
            infinite, beyond ``_LOUDEST``).
    """
    name, samples = _label(recording.path), recording.samples
    # Least and greatest sample of every channel, [2, c]. One NaN makes both of its channel NaN;
    # some kinds of NaN warn when they are cast to float64.
    with np.errstate(invalid="ignore"):
        extremes = np.stack([samples.min(axis=0), samples.max(axis=0)]).astype(np.float64)
    if not (np.abs(extremes) < _LOUDEST).all():
        wrong = np.flatnonzero(~(np.abs(samples) < _LOUDEST).all(axis=1))
        raise InputError(
            f"{name}: {len(wrong)} samples are NaN, infinite or absurdly large, the first at "
            f"{wrong[0] / recording.sample_rate_hz:.3f} s. Export it again, or cut them out."
        )
    if np.abs(extremes).max() < _QUIETEST:
        raise InputError(f"{name}: is silent from start to end. Give a recording with sound.")
    if np.ptp(extremes, axis=0).max() < _QUIETEST:
        raise InputError(
            f"{name}: is one constant (DC) from start to end. Give a recording with sound."
        )


def _label(path: Path | None) -> str:
    """Return what an error message calls the recording."""
    return "the recording" if path is None else str(path)
