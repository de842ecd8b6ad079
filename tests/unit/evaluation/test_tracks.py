"""Sound files read in blocks are the files read as a whole, whatever is done to them on the way."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.evaluation.delay import Delay
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.evaluation.tracks import Layout, Track, open_track, read_blocks

RATE_HZ = 48_000
N_SAMPLES = 2 * BLOCK_SAMPLES + 12_345


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (N_SAMPLES, 2))


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Track:
    path = tmp_path_factory.mktemp("tracks") / "noise é.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="DOUBLE")
    return open_track(path)


def read(track: Track, lag_samples: int = 0, **layout: int) -> np.ndarray:
    """The whole track, ``[t, c]``."""
    asked = {"sample_rate_hz": RATE_HZ, "n_samples": N_SAMPLES, "n_channels": 2} | layout
    blocks = list(read_blocks(track, Layout(**asked), Delay(lag_samples=lag_samples)))
    assert all(block.shape[1] == BLOCK_SAMPLES for block in blocks[:-1])
    return np.concatenate(blocks, axis=1).T


def test_as_it_is(track: Track, samples: np.ndarray) -> None:
    assert (track.name, track.n_samples, track.n_channels) == ("noise é", N_SAMPLES, 2)
    assert_array_equal(read(track), samples)


@pytest.mark.parametrize("n_samples", [1000, 2 * BLOCK_SAMPLES, 3 * BLOCK_SAMPLES + 1])
def test_cut_or_padded(track: Track, samples: np.ndarray, n_samples: int) -> None:
    padded = np.concatenate([samples, np.zeros_like(samples)])
    assert_array_equal(read(track, n_samples=n_samples), padded[:n_samples])


@pytest.mark.parametrize("lag", [1, -1, 48_000, -48_000, BLOCK_SAMPLES + 5])
def test_shifted(track: Track, samples: np.ndarray, lag: int) -> None:
    silence = np.zeros((abs(lag), 2))
    surrounded = np.concatenate([silence, samples, silence])
    start = abs(lag) + lag
    assert_array_equal(read(track, lag), surrounded[start : start + N_SAMPLES])


def test_mixed_down_and_spread(track: Track, samples: np.ndarray) -> None:
    mean = samples.mean(axis=1, keepdims=True)
    assert_array_equal(read(track, n_channels=1), mean)
    assert_array_equal(read(track, n_channels=3), np.repeat(mean, 3, axis=1))


def test_resampled_in_chunks_as_in_one(track: Track, samples: np.ndarray) -> None:
    n_samples = track.samples_at(16_000)
    whole = soxr.resample(samples, RATE_HZ, 16_000, quality="VHQ")
    in_chunks = read(track, sample_rate_hz=16_000, n_samples=n_samples)
    assert_allclose(in_chunks, whole[:n_samples], rtol=0, atol=1e-9)


def test_a_file_that_is_cut_off_is_not_scored(track: Track, tmp_path: Path) -> None:
    promised = Track(track.path, RATE_HZ, N_SAMPLES + 1, 2)
    with pytest.raises(InputError, match="1 samples are missing"):
        read(promised, n_samples=N_SAMPLES + 1)
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        open_track(folder)
