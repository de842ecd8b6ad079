"""What a recording is: levels, clipping, silence, channels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from musisep_cli.inspection.sound import Sound, describe
from musisep_cli.sound.recording import Recording
from tests.signals import pure_tone

RATE_HZ = 16_000
ATOL_DB = 0.01


def recording(samples: np.ndarray) -> Recording:
    channels = samples.reshape(len(samples), -1).astype(np.float32)
    return Recording(samples=channels, sample_rate_hz=RATE_HZ)


def described(samples: np.ndarray) -> Sound:
    return describe(recording(samples))


def tone(amplitude: float = 0.5) -> np.ndarray:
    return pure_tone(440.0, duration_s=2.0, sample_rate_hz=RATE_HZ, amplitude=amplitude)


def test_levels_of_every_channel() -> None:
    sound = described(np.stack([tone(), 0.1 * tone() + 0.02, 0 * tone()], axis=1))
    peaks = [channel.peak_dbfs for channel in sound.channels]
    assert_allclose(peaks[:2], 20 * np.log10([0.5, 0.07]), atol=ATOL_DB)
    assert peaks[2] is None
    assert_allclose(sound.channels[0].rms_dbfs, 20 * np.log10(0.5 / np.sqrt(2)), atol=ATOL_DB)
    assert_allclose([channel.dc_offset for channel in sound.channels], [0, 0.02, 0], atol=1e-5)
    assert sound.duration_s == 2.0
    assert any("DC offset of +0.02" in warning for warning in sound.warnings())
    assert not sound.channels_are_equal
    assert described(np.stack([tone(), tone()], axis=1)).channels_are_equal


@pytest.mark.parametrize("level", [1.0, 0.3])
def test_clipping(level: float) -> None:
    clipped = described(level * np.clip(2 * tone(1.0), -1, 1))
    assert (
        clipped.channels[0].n_clipped == 2 * 2 * 440 + 1
    )  # both crests of every period; a cosine starts on one
    assert "1761 crests" in clipped.warnings()[0]
    assert described(level * tone(1.0)).warnings() == []
    steps = 2.0**15
    assert described(np.rint(steps * level * tone(0.99)) / steps).warnings() == []


def test_silence() -> None:
    signal = np.concatenate([np.zeros(8_000), tone(), np.zeros(4_000), tone(), np.zeros(1_600)])
    silence = described(signal).silence
    assert_allclose([silence.leading_s, silence.trailing_s], [0.5, 0.1], atol=0.05)
    assert_allclose(silence.share, 13_600 / len(signal), atol=0.02)


def test_a_long_recording_is_described_in_blocks() -> None:
    signal = np.tile(tone(), 30)
    signal[400_000:400_010] = 0.9  # at a block's edge
    sound = described(signal)
    assert sound.channels[0].n_clipped == 1
    assert_allclose(sound.channels[0].peak_dbfs, 20 * np.log10(0.9), atol=ATOL_DB)
