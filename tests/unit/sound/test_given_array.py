"""Arrays as programs pass them: they just work, or the error says what to do."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import musisep_cli
from musisep_cli.errors import InputError
from musisep_cli.sound.given_array import given_recording
from tests import signals

RATE_HZ = 16_000
TONE = signals.pure_tone(440.0, duration_s=0.5, sample_rate_hz=RATE_HZ, amplitude=0.4)
STEREO = np.stack([TONE, 0.5 * TONE], axis=1)


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.astype(np.float32)
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (TONE, TONE[:, None]),
        (STEREO, STEREO),
        (STEREO.tolist(), STEREO),
        (read_only(STEREO), STEREO),
        (read_only(TONE), TONE[:, None]),
        (STEREO[::-1], STEREO[::-1]),
        (np.asfortranarray(STEREO), STEREO),
        (np.ascontiguousarray(STEREO.T).T, STEREO),
        (torch.from_numpy(STEREO), STEREO),
        (STEREO.astype(">f4"), STEREO),
    ],
)
def test_what_just_works(given: Any, expected: np.ndarray) -> None:
    recording = given_recording(given, RATE_HZ)
    np.testing.assert_array_equal(recording.samples, expected.astype(np.float32))
    torch.from_numpy(recording.samples)  # which would warn of what cannot be written to


@pytest.mark.parametrize("rate", [RATE_HZ, float(RATE_HZ), np.int64(RATE_HZ), np.float32(RATE_HZ)])
def test_rates_of_any_type(rate: Any) -> None:
    assert given_recording(TONE, rate).sample_rate_hz == RATE_HZ


def test_the_callers_array_is_not_changed() -> None:
    given = STEREO.astype(np.float32)
    given_recording(given, RATE_HZ)
    np.testing.assert_array_equal(given, STEREO.astype(np.float32))


WRONG: dict[str, tuple[Any, Any, str]] = {
    "channels first": (STEREO.T, RATE_HZ, r"transpose them \(samples.T\)"),
    "channels first, few samples": (np.ones((33, 40)), RATE_HZ, "40 channels of 33 samples"),
    "33 channels": (np.tile(TONE[:, None], 33), RATE_HZ, "at most 32 channels: transpose"),
    "three axes": (np.ones((2, 3, 4)), RATE_HZ, r"the shape \(2, 3, 4\)"),
    "a number": (0.5, RATE_HZ, r"\[t\] or \[t, c\] is needed"),
    "a path": ("mix.wav", RATE_HZ, "samples are a path .* read the file first"),
    "a Path": (Path("mix.wav"), RATE_HZ, "samples are a path .* read the file first"),
    "nothing": (None, RATE_HZ, "of the type object: real numbers are needed"),
    "words": (["a", "b"], RATE_HZ, "real numbers are needed"),
    "lists of several lengths": ([[0.1, 0.2], [0.3]], RATE_HZ, "cannot be made an array"),
    "complex": (STEREO + 1j, RATE_HZ, "complex128: real numbers are needed"),
    "on a device": (torch.empty(9, device="meta"), RATE_HZ, "computer's own memory"),
    "int16": ((STEREO * 2**15).astype(np.int16), RATE_HZ, "divide by 32768"),
    "int32": ((STEREO * 2**31).astype(np.int32), RATE_HZ, "divide by 2147483648"),
    "uint8": ((STEREO * 127 + 128).astype(np.uint8), RATE_HZ, "subtract 128 and divide by 128"),
    "lists of integers": ((TONE * 2**15).astype(int).tolist(), RATE_HZ, "divide by 32768"),
    "beyond float32": (STEREO * 1e300, RATE_HZ, "NaN, infinite or absurdly large"),
    "a rate as text": (TONE, "16000", "the sample rate is '16000': a whole number"),
    "half a rate": (TONE, 16_000.5, "a whole number"),
    "no rate": (TONE, None, "the sample rate is None"),
    "an infinite rate": (TONE, float("inf"), "a whole number"),
    "swapped": (RATE_HZ, TONE, "the sample rate is"),
    "empty": (np.zeros((0, 2)), RATE_HZ, "holds no samples"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused(what: str) -> None:
    samples, rate_hz, words = WRONG[what]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=words):
            musisep_cli.separate(samples, rate_hz, 2, preset="quick", device="cpu")
