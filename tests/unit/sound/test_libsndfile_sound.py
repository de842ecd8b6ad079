"""Sounds that libsndfile decodes: read in parts as a whole, and a cut file is noticed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.sound.libsndfile_sound import is_known
from musisep_cli.sound.opening import opened

SAMPLES = np.random.default_rng(0).uniform(-1, 1, (9_000, 2)).astype(np.float32)


def written(path: Path) -> Path:
    soundfile.write(path, SAMPLES, 8_000, subtype="FLOAT")
    return path


def test_parts_and_blocks_are_the_samples(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.wav")) as sound:
        sound.check_whole()
        assert_array_equal(sound.read(100, 50), SAMPLES[100:150])
        assert_array_equal(sound.read(8_990, 50), SAMPLES[8_990:])
        assert_array_equal(np.concatenate(list(sound.blocks("float32"))), SAMPLES)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:40_000])
    with opened(path) as sound, pytest.raises(InputError, match=r"is cut off: 5\d% of the sound"):
        sound.check_whole()


def test_a_video_in_a_riff_is_left_to_others() -> None:
    assert is_known(b"RIFF\0\0\0\0WAVE")
    assert not is_known(b"RIFF\0\0\0\0AVI ")
