"""What a recording is, and whether it sounds like a few melodic lines."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from musisep_cli.inspection.character import judge
from musisep_cli.inspection.sound import Sound, describe
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording
from tests.signals import CLARINET, FLUTE, duet, melody, pure_tone

RATE_HZ = 16_000
DURATION_S = 4.0
N_SAMPLES = round(DURATION_S * RATE_HZ)
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


def lines(n_lines: int, *, lowest: int = 50, seed: int = 0) -> np.ndarray:
    """Melodies of one timbre each, with random pitches and note lengths."""
    rng = np.random.default_rng(seed)
    voices = [
        melody(
            tuple(int(pitch) for pitch in rng.integers(lowest, lowest + 30, 16)),
            note_s=float(rng.uniform(0.25, 0.6)),
            amplitudes=(FLUTE, CLARINET, tuple(0.8 ** np.arange(12)))[number % 3],
            duration_s=DURATION_S,
            sample_rate_hz=RATE_HZ,
        )
        for number in range(n_lines)
    ]
    return sum(voice / np.abs(voice).max() for voice in voices) / n_lines


def drums() -> np.ndarray:
    """Hats of noise, a falling bass drum and a snare."""
    rng = np.random.default_rng(0)
    signal = np.zeros(N_SAMPLES)
    time_s = np.arange(RATE_HZ // 5) / RATE_HZ
    bass = np.sin(2 * np.pi * (50 * time_s - 1.8 * np.exp(-time_s / 0.03))) * np.exp(-time_s / 0.1)
    for beat in range(int(4 * DURATION_S)):
        noise = rng.standard_normal(len(time_s))
        hit = 0.3 * noise * np.exp(-time_s / 0.02)
        if beat % 4 == 0:
            hit += bass
        if beat % 4 == 2:
            hit += 0.6 * noise * np.exp(-time_s / 0.06)
        start = beat * RATE_HZ // 4
        signal[start : start + len(hit)] += hit[: N_SAMPLES - start]
    return 0.5 * signal / np.abs(signal).max()


def speech() -> np.ndarray:
    """Syllables: falling pulse trains through formants, and hisses between them."""
    rng = np.random.default_rng(0)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < N_SAMPLES:
        n_vowel = round(rng.uniform(0.08, 0.2) * RATE_HZ)
        share = np.arange(n_vowel) / n_vowel
        pitch_hz = rng.uniform(95, 160) * (1 + rng.uniform(-0.25, 0.1) * share)
        vowel = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0)
        for formant_hz in (rng.uniform(300, 800), rng.uniform(900, 2200), 2600):
            radius = np.exp(-np.pi * 100 / RATE_HZ)
            angle = 2 * np.pi * formant_hz / RATE_HZ
            vowel = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], vowel)
        vowel *= np.sqrt(np.sin(np.pi * share))
        n_hiss = round(rng.uniform(0.03, 0.12) * RATE_HZ)
        hiss = 0.1 * np.diff(rng.standard_normal(n_hiss + 1)) * np.hanning(n_hiss)
        parts += [vowel / (np.abs(vowel).max() + 1e-9), hiss, np.zeros(rng.integers(1, 3_000))]
    return 0.5 * np.concatenate(parts)[:N_SAMPLES]


def warned(signal: np.ndarray) -> str:
    character = judge(recording(signal))
    assert character is not None
    return " ".join(character.warnings())


@pytest.mark.parametrize("n_lines", [1, 2, 3])
def test_a_few_lines_pass(n_lines: int) -> None:
    signal = lines(n_lines)
    assert warned(signal) == ""
    character = judge(recording(signal))
    assert character is not None
    assert_allclose(character.tones, n_lines, atol=0.5)


def test_low_lines_and_a_soft_hiss_pass() -> None:
    hiss = 0.003 * np.random.default_rng(0).standard_normal(N_SAMPLES)
    assert warned(lines(2, lowest=33) + hiss) == ""
    assert warned(sum(duet(duration_s=DURATION_S).values())) == ""


def test_what_is_not_melodic_is_named() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(N_SAMPLES)
    assert "looks like percussion or speech" in warned(drums())
    assert "looks like percussion or speech" in warned(speech())
    assert "looks like noise" in warned(noise)
    assert "percussion or noise beside the tones" in warned(lines(2) + 4 * drums())
    assert "dense polyphony" in warned(lines(7))


def test_what_is_too_short_is_not_judged() -> None:
    assert judge(recording(tone()[:7_000])) is None
    assert judge(recording(tone()[:9_000])) is not None


@pytest.mark.parametrize(
    ("case", "word"), [("piano-violin-16k", "dense polyphony"), ("choir-2", "")]
)
def test_the_shared_recordings(shared_data: Path, case: str, word: str) -> None:
    character = judge(audio_file.read(shared_data / case / "mix.flac"))
    assert character is not None
    assert word in " ".join(character.warnings())
    assert bool(character.warnings()) == bool(word)
