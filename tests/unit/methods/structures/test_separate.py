"""The method on small recordings: what is in the stems, and what is in the residual."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from musisep_cli.methods.method import Settings
from musisep_cli.sound.audio_file import read
from tests.unit.methods.structures.test_detector import RATE, lines

FAITHFUL: Settings = {"structures": {"sound": "faithful"}}


def sdr_db(reference: np.ndarray, estimate: np.ndarray) -> list[float]:
    """Of every reference [i, t], the estimates in the best order."""
    pairs = bss_eval_v2(array_blocks(reference=reference, estimate=estimate))
    return [float(pairs.sdr_db[i, j]) for i, j in best_assignment(pairs)]


def stems_of(mix: np.ndarray, rate_hz: int, settings: Settings, *, seed: int = 0) -> np.ndarray:
    """Stems [i, t, c] of a mixture [t] or [t, c]."""
    found = separate(
        mix.astype(np.float32),
        rate_hz,
        2,
        preset="structures",
        settings=settings,
        device="cpu",
        first_seed=seed,
    )
    return found.stems


def power(sound: np.ndarray) -> float:
    return float(np.square(sound, dtype=np.float64).sum())


def bursts(n_samples: int, sample_rate_hz: int, *, seed: int = 0) -> np.ndarray:
    """Drum-like noise [t]: four short bursts a second, each dying away within 50 ms."""
    generator = np.random.default_rng(seed)
    since_s = (np.arange(n_samples) / sample_rate_hz) % 0.25
    return generator.normal(size=n_samples) * np.exp(-since_s / 0.02)


@pytest.fixture(scope="module")
def duet(tiny: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """A recorder and a violin, six seconds of a visible case: mix [t], stems [i, t], rate."""
    mix = read(tiny / "mix.flac")
    stems = [read(tiny / f"{name}.flac").samples[:, 0] for name in ("recorder", "violin")]
    return mix.samples[:, 0], np.stack(stems), mix.sample_rate_hz


def test_two_lines_come_apart_in_both_modes() -> None:
    truth = np.stack(lines(4))
    for settings in (FAITHFUL, {}):
        stems = stems_of(truth.sum(0), RATE, settings)
        assert min(sdr_db(truth, stems[..., 0])) > 10


def test_drums_stay_in_the_residual(duet: tuple[np.ndarray, np.ndarray, int]) -> None:
    mix, truth, rate_hz = duet
    drums = bursts(len(mix), rate_hz)
    drums *= np.sqrt(0.1 * power(mix) / power(drums))  # 10 dB below the music
    stems = stems_of(mix + drums, rate_hz, FAITHFUL)[..., 0]
    residual = mix + drums - stems.sum(0)
    # What of the drums is in the residual and in the stems: their projections.
    in_residual, in_stems = (float(x @ drums) / power(drums) for x in (residual, stems.sum(0)))
    assert in_residual > 0.8
    assert abs(in_stems) < 0.2
    assert np.mean(sdr_db(truth, stems)) > 3


def test_noise_is_nobodys() -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=RATE)
    assert power(stems_of(noise, RATE, FAITHFUL).sum(0)) < 0.2 * power(noise)


def test_nothing_in_the_faithful_sound_is_random() -> None:
    mix = sum(lines(1))
    one, other = (stems_of(mix, RATE, FAITHFUL, seed=seed) for seed in (0, 7))
    np.testing.assert_array_equal(one, other)


def test_stereo_keeps_the_instruments_where_they_are() -> None:
    flute, clarinet = lines(2)
    mix = np.stack([flute + 0.2 * clarinet, 0.2 * flute + clarinet], 1)
    stems = stems_of(mix, RATE, FAITHFUL)
    assert stems.shape == (2, *mix.shape)
    ratios = [power(stem[:, 0]) / power(stem[:, 1]) for stem in stems]
    assert max(ratios) > 4
    assert min(ratios) < 0.25


def test_silent_parts_and_pure_tones_break_nothing() -> None:
    mix = np.zeros(RATE)
    mix[: RATE // 2] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)
    for settings in (FAITHFUL, {}):
        assert np.isfinite(stems_of(mix, RATE, settings)).all()
