"""Turn of the channels: powers stay, the channels come back, and nothing is missing in the mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from musisep_cli.sound.turn import LEAST_GAIN_DB, Turn, directions, heard, heard_weights, missed
from tests.signals import harmonic_tone

RATE_HZ = 8_000
AMPLITUDES = (0.3, 0.2, 0.1)
F0_HZ = (220.0, 523.0, 311.0)


def placed(*places: tuple[float, ...]) -> NDArray[np.float32]:
    """Tones, each in all channels by the factors of its place, ``[t, c]``."""
    tones = [
        harmonic_tone(f0_hz, amplitudes=AMPLITUDES, duration_s=1.0, sample_rate_hz=RATE_HZ)
        for f0_hz in F0_HZ
    ]
    sound = sum(tone[:, None] * np.array(place) for tone, place in zip(tones, places, strict=False))
    return np.asarray(sound, np.float32)


def power_of(sound: NDArray[np.float32], f0_hz: float) -> float:
    """Power of a sound ``[t]`` at a frequency."""
    times_s = np.arange(len(sound)) / RATE_HZ
    return float(np.abs(sound @ np.exp(-2j * np.pi * f0_hz * times_s)) ** 2 / len(sound) ** 2)


@pytest.mark.parametrize(
    "places",
    [
        ((1.0,), (0.5,)),
        ((1.0, 0.0), (0.0, 1.0)),
        ((1.0, 1.0), (1.0, 0.3)),
        ((1.0, 0.0), (1.0, 0.0)),
        ((0.3, 1.0), (1.0, 0.5), (1.0, 1.0)),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ],
)
def test_where_the_mean_holds_all_nothing_is_turned(places: tuple[tuple[float, ...], ...]) -> None:
    assert Turn.of(placed(*places)) is None


@pytest.mark.parametrize(
    "places",
    [
        ((1.0, 1.0), (1.0, -1.0)),
        ((1.0, 1.0), (1.0, -0.89)),
        ((1.0, 1.0), (0.1, -0.1)),
        ((1.0, -1.0), (0.5, -0.5)),
        ((1.0, 0.0), (1.0, -1.0)),
        ((1.0, 1.0), (1.0, -1.0), (0.0, 1.0)),
        ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (1.0, 1.0, -2.0)),
        ((1.0, 1.0, -1.0, -1.0), (1.0, 0.0, 0.0, 0.0)),
    ],
)
def test_after_the_turn_the_mean_holds_every_instrument(
    places: tuple[tuple[float, ...], ...],
) -> None:
    sound = placed(*places)
    turn = Turn.of(sound)
    assert turn is not None
    n_channels = sound.shape[1]
    mean = turn.turned(sound).mean(1)
    for place, f0_hz in zip(places, F0_HZ, strict=False):
        in_channels = sum(power_of(sound[:, c], f0_hz) for c in range(n_channels))
        in_mean = n_channels * power_of(mean, f0_hz)
        assert in_mean > 0.1 / n_channels * in_channels, place
    assert_allclose(heard(sound), mean, atol=1e-6)


@given(n_channels=st.integers(2, 6), seed=st.integers(0, 99))
def test_a_turn_keeps_all_powers_and_comes_back(n_channels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    sound = generator.standard_normal((500, n_channels)).astype(np.float32)
    sound -= sound.mean(1, keepdims=True)  # all channels cancel
    turn = Turn.of(sound)
    assert turn is not None
    turned = turn.turned(sound)
    assert_allclose((turned**2).sum(1), (sound**2).sum(1), rtol=1e-4)
    assert_allclose(turn.back(turned), sound, atol=1e-5)


def test_opposite_polarity_becomes_left_and_right() -> None:
    turn = Turn.of(placed((1.0, 1.0), (1.0, -1.0)))
    assert turn is not None
    middle, opposite = (
        np.abs(turn.turned(np.array([place], np.float32))) for place in ((1, 1), (1, -1))
    )
    assert_allclose(np.sort(middle), [[0, 2**0.5]], atol=1e-6)
    assert_allclose(middle[0], opposite[0, ::-1], atol=1e-6)


def test_what_a_direction_misses() -> None:
    spectra = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, -1.0]], np.complex128)
    found_db = missed(spectra, np.array([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    # Two bins of sqrt(2) and one of 1; the mean misses the last one, 30 dB, the channel none.
    assert_allclose(found_db, [30 * 2**0.5 / (2 * 2**0.5 + 1), 0.0], atol=1e-9)


def test_directions_are_of_length_1_and_begin_with_the_mean() -> None:
    for n_channels in (2, 3, 32):
        tried = directions(n_channels)
        assert_allclose(np.linalg.norm(tried, axis=1), 1.0)
        assert_allclose(tried[0], n_channels**-0.5)


def test_noise_from_everywhere_is_not_turned() -> None:
    """All directions miss as much of it, by far less than what would turn it."""
    sound = np.random.default_rng(0).standard_normal((RATE_HZ, 2)).astype(np.float32)
    assert Turn.of(sound) is None
    assert LEAST_GAIN_DB > 0.5


def test_silence_and_a_few_samples_are_heard_as_their_mean() -> None:
    assert_array_equal(heard_weights(np.zeros((100, 2))), [0.5, 0.5])
    assert_array_equal(heard_weights(np.ones((1, 4))), [0.25] * 4)
