"""Whether a recording sounds like a few melodic lines: lines do, drums, speech and noise do not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from musisep_cli.inspection.character import judge
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording
from tests.signals import CLARINET, FLUTE, duet, melody, pure_tone

RATE_HZ = 16_000
DURATION_S = 4.0
N_SAMPLES = round(DURATION_S * RATE_HZ)


def recording(samples: np.ndarray) -> Recording:
    channels = samples.reshape(len(samples), -1).astype(np.float32)
    return Recording(samples=channels, sample_rate_hz=RATE_HZ)


def tone() -> np.ndarray:
    return pure_tone(440.0, duration_s=2.0, sample_rate_hz=RATE_HZ, amplitude=0.5)


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


def bars(decay_s: float = 0.5) -> np.ndarray:
    """A melody on bars, whose partials lie at 1 : 2.756 : 5.404."""
    time_s = np.arange(N_SAMPLES) / RATE_HZ
    signal = np.zeros(N_SAMPLES)
    for number, f0_hz in enumerate((523.0, 659.0, 587.0, 784.0, 698.0, 523.0, 880.0, 659.0)):
        after_s = time_s - 0.5 * number
        for ratio, level in ((1.0, 0.3), (2.756, 0.2), (5.404, 0.1)):
            ring = level * np.sin(2 * np.pi * ratio * f0_hz * after_s) * np.exp(-after_s / decay_s)
            signal += np.where(after_s >= 0, ring, 0.0)
    return signal


def test_bells_and_bars_are_named() -> None:
    assert "bells or bars" in warned(bars())
    assert "bells or bars" in warned(bars() + lines(1))
    assert "bells" not in warned(lines(2))


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
