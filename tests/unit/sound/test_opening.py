"""Opening of a sound: the right decoder, or an error that says what was given."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import InputError
from musisep_cli.sound.libsndfile_sound import LibsndfileSound
from musisep_cli.sound.opening import opened


def test_a_wav_is_opened_whatever_its_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((80, 2)), 8_000)
    (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    with opened(tmp_path / "a.raw") as sound:
        assert isinstance(sound, LibsndfileSound)
        assert (sound.sample_rate_hz, sound.n_channels, sound.n_samples) == (8_000, 2, 80)


def test_what_is_no_sound_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all, and long enough to be read as one" * 9)
    os.mkfifo(tmp_path / "pipe.wav")
    for name, words in {
        ".": "is a folder",
        "no.wav": "cannot be read",
        "empty.wav": r"is empty \(0 bytes\)",
        "pipe.wav": "is a pipe or a device",
        "text.wav": "text.wav",
    }.items():
        with pytest.raises(InputError, match=words), opened(tmp_path / name):
            pass
