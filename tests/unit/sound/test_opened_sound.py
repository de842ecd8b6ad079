"""A sound that is open: any part of it, whatever the blocks it comes in and the length it tells."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.sound.opened_sound import OpenedSound, Precision, Samples

SAMPLES = np.arange(200, dtype=np.float32).reshape(100, 2)


class InBlocks(OpenedSound):
    """The samples in blocks of 7."""

    path, container, sample_rate_hz, n_channels = Path("a.mp3"), "made", 8_000, 2

    def __init__(self, n_samples: int, *, is_estimate: bool) -> None:
        self.n_samples, self.is_estimate = n_samples, is_estimate

    def blocks(self, precision: Precision) -> Iterator[Samples]:
        for first in range(0, len(SAMPLES), 7):
            yield SAMPLES[first : first + 7].astype(precision)

    def check_whole(self) -> None:
        raise self.cut_error(0.25)


@given(st.integers(0, 110), st.integers(1, 120), st.sampled_from([10, 100, 1000]))
def test_a_part_is_that_of_the_samples(first: int, count: int, told: int) -> None:
    sound = InBlocks(told, is_estimate=told != len(SAMPLES))
    assert_array_equal(sound.read(first, count), SAMPLES[first : first + count])


def test_what_is_missing_is_told_as_a_share() -> None:
    sound = InBlocks(100, is_estimate=False)
    with pytest.raises(InputError, match=r"a\.mp3: is cut off: 25% of the sound .*--duration"):
        sound.check_whole()
    assert "it ends within a frame" in str(sound.cut_error())


def test_a_sound_that_memory_does_not_hold_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs \d+ GB of memory, .*--start and --duration"):
        InBlocks(100, is_estimate=False).room(2**55)
