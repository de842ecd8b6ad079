"""Compressed sounds: as long as the sound, near to it, and at rates of every kind."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import OutputError
from musisep_cli.inspection.page.compressed import compress, page_rate_hz
from tests.signals import pure_tone


def tones(rate_hz: int, n_channels: int, duration_s: float = 1.0) -> np.ndarray:
    tone = 0.4 * pure_tone(440.0, duration_s=duration_s, sample_rate_hz=rate_hz)
    return np.outer(tone, 1 / np.arange(1, n_channels + 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "suffix"),
    [(44_100, 1, ".mp3"), (16_000, 2, ".mp3"), (96_000, 1, ".ogg"), (10_000, 2, ".ogg")],
)
def test_a_sound_comes_back_to_the_sample(
    tmp_path: Path, rate_hz: int, n_channels: int, suffix: str
) -> None:
    sound = tones(rate_hz, n_channels)
    codec = compress(tmp_path / "a", sound, rate_hz, gain=0.5)
    assert codec.suffix == suffix
    decoded, decoded_hz = soundfile.read(tmp_path / "a", always_2d=True)
    assert (decoded.shape, decoded_hz) == (sound.shape, rate_hz)
    inside = slice(rate_hz // 10, -rate_hz // 10)
    error = np.sqrt(np.mean((decoded - sound / 2)[inside] ** 2) / np.mean(sound[inside] ** 2 / 4))
    assert error < 0.05


def test_more_than_two_channels_become_their_mean(tmp_path: Path) -> None:
    sound = tones(16_000, 4)
    compress(tmp_path / "a", sound, 16_000)
    decoded, _ = soundfile.read(tmp_path / "a", always_2d=True)
    assert decoded.shape == (16_000, 1)
    np.testing.assert_allclose(decoded.std(), sound.mean(axis=1).std(), rtol=0.05)


def test_a_rate_above_all_codecs_is_brought_down(tmp_path: Path) -> None:
    """At such a rate libsndfile's encoder would end the process."""
    sound = tones(384_000, 1, duration_s=0.3)
    codec = compress(tmp_path / "a", sound, 384_000)
    decoded, rate_hz = soundfile.read(tmp_path / "a")
    assert (codec.suffix, rate_hz) == (".mp3", page_rate_hz(384_000))
    assert abs(len(decoded) - len(sound) / 8) <= 1
    np.testing.assert_allclose(decoded[2000:-2000].std(), sound.std(), rtol=0.02)


def test_quiet_and_silent_sounds_take_little_room(tmp_path: Path) -> None:
    loud = tones(44_100, 1, duration_s=4.0)
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, loud.shape).astype(np.float32)
    sizes = []
    for number, sound in enumerate((noise, loud, 0 * loud)):
        path = tmp_path / str(number)
        compress(path, sound, 44_100)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[2]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="a sound of the listening page cannot be written"):
        compress(tmp_path / "none" / "a", tones(16_000, 1), 16_000)
