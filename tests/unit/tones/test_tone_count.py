"""Tones at once: those of lines are counted; late entries, solos and gaps mislead nobody."""

import numpy as np
import pytest
from numpy.typing import NDArray

from musisep_cli.tones.tone_count import (
    LEAST_SHARE,
    counts_by_stretch,
    lines_at_once,
    share_of_stretches,
)
from tests.signals import FLUTE, harmonic_tone, melody

RATE_HZ, DURATION_S = 16_000, 6.0
F0_HZ = (330.0, 466.0, 587.0)


def lines(n_lines: int) -> list[NDArray[np.float64]]:
    """Melodies a fifth and more apart, all of one loudness."""
    keys = ((76, 79, 77, 74), (67, 65, 68, 66), (58, 56, 54, 59))
    voices = [
        melody(
            keys[line] * 3,
            note_s=0.5,
            amplitudes=FLUTE,
            duration_s=DURATION_S,
            sample_rate_hz=RATE_HZ,
        )
        for line in range(n_lines)
    ]
    return [voice / voice.std() for voice in voices]


def n_lines(signal: NDArray[np.float64], most: int) -> int:
    return lines_at_once(counts_by_stretch(signal[:, None], RATE_HZ), most)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_lines_that_sound_at_once_are_counted(number: int) -> None:
    assert n_lines(sum(lines(number)), 3) == number


def test_a_late_entry_and_long_solos_count() -> None:
    first, second = lines(2)
    late = second * (np.arange(len(second)) > 0.7 * len(second))
    assert n_lines(first + late, 2) == 2
    solos = first * (np.arange(len(first)) < 0.75 * len(first))
    assert n_lines(solos + second * (np.arange(len(second)) > 0.25 * len(second)), 2) == 2


def test_noise_between_two_pieces_is_no_tone() -> None:
    [line] = lines(1)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(line))
    line[len(line) // 3 : 2 * len(line) // 3] = 0
    assert n_lines(line + noise, 2) == 1


def test_opposite_polarity_is_counted_too() -> None:
    low, high = (
        harmonic_tone(f0_hz, amplitudes=FLUTE, duration_s=DURATION_S, sample_rate_hz=RATE_HZ)
        for f0_hz in F0_HZ[:2]
    )
    counts = counts_by_stretch(np.stack([low + high, low - high], 1), RATE_HZ)
    assert lines_at_once(counts, 2) == 2


@pytest.mark.parametrize(
    ("share", "most", "found"), [(0.0, 4, 1), (LEAST_SHARE, 2, 2), (1.0, 4, 1), (1.0, 1, 1)]
)
def test_what_share_is_enough(share: float, most: int, found: int) -> None:
    counts = np.ones(100, np.intp)
    counts[: round(100 * share)] = 2 if share < 1 else 1
    assert lines_at_once([counts] * 4, most) == found


def test_silence_has_no_share() -> None:
    assert share_of_stretches([], 2) == 0
    assert counts_by_stretch(np.zeros((RATE_HZ, 1)), RATE_HZ) == []
