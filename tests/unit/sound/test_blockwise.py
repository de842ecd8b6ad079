"""Sounds read block by block: the same numbers as from the whole, wherever they lie."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.sound import blockwise
from musisep_cli.sound.blockwise import (
    Difference,
    RawFile,
    Total,
    blocks,
    energy,
    extremes,
    in_memory,
    mono,
    sum_error,
)

LENGTHS = st.integers(1, 40)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "BLOCK_SAMPLES", 7)
        yield


def noise(n_samples: int, n_channels: int = 2, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n_samples, n_channels)).astype(np.float32)


@given(st.integers(0, 100))
def test_blocks_cover_a_sound_once(n_samples: int) -> None:
    covered = [n for block in blocks(n_samples) for n in range(block.start, block.stop)]
    assert covered == list(range(n_samples))


@given(LENGTHS, st.integers(1, 3))
def test_what_is_measured_in_blocks_is_that_of_the_whole(n_samples: int, n_channels: int) -> None:
    sound = noise(n_samples, n_channels)
    assert extremes(sound) == (sound.min(), sound.max())
    assert_allclose(energy(sound), np.square(sound, dtype=np.float64).sum(), rtol=1e-12)
    assert_array_equal(mono(sound), sound.mean(axis=1))


def test_a_nan_anywhere_is_an_extreme() -> None:
    sound = noise(30)
    sound[17, 1] = np.nan
    assert np.isnan(extremes(sound)).all()


@given(LENGTHS, st.data())
def test_a_raw_file_reads_like_the_array(n_samples: int, data: st.DataObject) -> None:
    sound = noise(n_samples)
    first = data.draw(st.integers(0, n_samples))
    end = data.draw(st.integers(first, n_samples + 5))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.raw"
        path.write_bytes(sound.tobytes())
        stored = RawFile(path, sound.shape)
        assert_array_equal(stored[first:end], sound[first:end])
        assert extremes(stored) == extremes(sound)


def test_stretches_of_stems_become_an_array() -> None:
    stems = np.stack([noise(20, seed=1), noise(20, seed=2)])
    stretches = [stems[:, start : start + 6] for start in range(0, 20, 6)]
    assert_array_equal(in_memory(stretches, stems.shape), stems)


def test_a_difference_and_its_parts_are_the_whole() -> None:
    whole, first, second = noise(30, seed=1), noise(30, seed=2), noise(30, seed=3)
    residual = Difference(whole, [first, second])
    assert residual.shape == (30, 2)
    assert_allclose(residual[3:9], whole[3:9] - first[3:9] - second[3:9], atol=1e-6)
    assert sum_error(whole, [first, second, residual]) < 1e-6
    assert sum_error(whole, [first, second]) > 0.1


def test_the_sum_error_is_relative_and_knows_the_gain() -> None:
    whole = np.array([[0.5, 0.0], [-0.25, 0.25]], np.float32)
    wrong = whole.copy()
    wrong[1, 1] += 0.125
    assert sum_error(whole, [wrong]) == 0.25  # 0.125 of a peak of 0.5
    assert sum_error(whole, [0.5 * whole], gain=0.5) == 0.0


def test_a_total_is_the_sum_of_its_parts() -> None:
    parts = [np.arange(12.0).reshape(6, 2), np.ones((6, 2))]
    total = Total(parts)
    assert total.shape == (6, 2)
    assert_array_equal(total[1:4], parts[0][1:4] + 1)
