"""A recording that is given as an array: what programs pass, checked before any work."""

from __future__ import annotations

import math
import numbers
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import InputError
from musisep_cli.sound.recording import MAX_CHANNELS, Recording, check_content, check_shape

_FULL_SCALES = {"int8": 2**7, "int16": 2**15, "int32": 2**31}
"""What integers of a type are to be divided by."""


def given_recording(samples: Any, sample_rate_hz: Any) -> Recording:
    """Return an array as a recording, or say what is wrong with it.

    Args:
        samples: [t] or [t, c], full scale 1: an array, a tensor or lists of numbers. It is not
            changed.
        sample_rate_hz: Samples per second.

    Raises:
        InputError: There is nothing in it that can be separated; the message says what to do.
    """
    rate_hz = _rate(sample_rate_hz)
    numeric = _numbers(samples)
    _check_axes(numeric)
    _check_scale(numeric)
    # A copy where PyTorch could not work on it: read-only, or with gaps between the numbers. What
    # is too large for float32 becomes infinite, which is said below.
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.require(numeric, np.float32, ["C_CONTIGUOUS", "WRITEABLE"])
    columns = array[:, None] if array.ndim == 1 else array
    recording = Recording(samples=columns, sample_rate_hz=rate_hz)
    check_shape(
        None,
        n_samples=recording.n_samples,
        n_channels=recording.n_channels,
        sample_rate_hz=rate_hz,
    )
    check_content(recording)
    return recording


def _rate(sample_rate_hz: Any) -> int:
    """The sample rate as a whole number."""
    is_number = isinstance(sample_rate_hz, numbers.Real) and not isinstance(sample_rate_hz, bool)
    if not is_number or not math.isfinite(sample_rate_hz) or sample_rate_hz != int(sample_rate_hz):
        raise InputError(
            f"the sample rate is {sample_rate_hz!r}: a whole number of samples per second is "
            "needed, for example 44100"
        )
    return int(sample_rate_hz)


def _numbers(samples: Any) -> NDArray[Any]:
    """The samples as an array of real numbers."""
    if isinstance(samples, str | bytes | os.PathLike):
        raise InputError(
            f"samples are a path ({samples!r}), and an array is needed: read the file first, for "
            "example with soundfile.read"
        )
    try:
        array = np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"samples cannot be made an array ({str(error).splitlines()[0]}): give an array [t] or "
            "[t, c] of numbers, in the computer's own memory"
        ) from error
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"samples are of the type {array.dtype}: real numbers are needed, [t] or [t, c]"
        )
    return array


def _check_axes(array: NDArray[Any]) -> None:
    """Refuse other axes than [t] and [t, c], and channels where the samples should be."""
    if array.ndim not in (1, 2):
        raise InputError(f"samples have the shape {array.shape}; [t] or [t, c] is needed")
    if array.ndim == 1 or array.shape[0] == 0:
        return
    n_samples, n_channels = array.shape
    if n_channels > n_samples or n_channels > MAX_CHANNELS:
        raise InputError(
            f"samples have the shape {array.shape}, which is {n_channels} channels of {n_samples} "
            f"samples; [t, c] is needed, at most {MAX_CHANNELS} channels: "
            "transpose them (samples.T)"
        )


def _check_scale(array: NDArray[Any]) -> None:
    """Refuse integers in their own units: full scale is 1."""
    if array.dtype.kind == "f" or array.size == 0:
        return
    largest = max(abs(int(array.min())), abs(int(array.max())))
    if largest <= 1:
        return
    full_scale = _FULL_SCALES.get(str(array.dtype), 2**15 if largest <= 2**15 else 2**31)
    how = f"divide by {full_scale}"
    if array.dtype == np.uint8:
        how = "subtract 128 and divide by 128"
    raise InputError(
        f"samples are integers ({array.dtype}) of up to {largest}, and full scale is 1: {how}"
    )
