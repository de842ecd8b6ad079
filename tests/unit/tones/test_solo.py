"""Solo: the pitch of one instrument that plays alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from musisep_cli.tones.solo import HOP_S, solo_pitch
from tests.signals import harmonic_tone

RATE_HZ = 16_000
AMPLITUDES = (1.0, 0.5, 0.3, 0.2)


def tone(f0_hz: float, duration_s: float = 0.5) -> np.ndarray:
    return harmonic_tone(
        f0_hz, amplitudes=AMPLITUDES, duration_s=duration_s, sample_rate_hz=RATE_HZ
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(40.0, 1500.0))
def test_a_steady_tone_has_its_pitch_to_a_tenth_of_a_semitone(f0_hz: float) -> None:
    tracks = solo_pitch(tone(f0_hz), RATE_HZ)
    inner = slice(3, -5)
    assert tracks.on[0, inner].all()
    assert np.abs(12 * np.log2(tracks.f0_hz[0, inner] / f0_hz)).max() < 0.1


def test_the_pitch_does_not_depend_on_the_level() -> None:
    loud, soft = solo_pitch(tone(220.0), RATE_HZ), solo_pitch(1e-3 * tone(220.0), RATE_HZ)
    assert_allclose(soft.f0_hz, loud.f0_hz, rtol=1e-9)


@pytest.mark.parametrize("kind", ["noise", "silence"])
def test_noise_and_silence_have_no_pitch(kind: str) -> None:
    noise = np.random.default_rng(0).normal(size=RATE_HZ // 2)
    tracks = solo_pitch(noise if kind == "noise" else 0 * noise, RATE_HZ)
    assert not tracks.on.any()


def test_a_chord_has_no_pitch() -> None:
    tracks = solo_pitch(tone(220.0) + tone(311.1) + tone(415.3), RATE_HZ)
    assert tracks.on.mean() < 0.2


def test_frames_lie_a_hop_apart_and_cover_the_sound() -> None:
    tracks = solo_pitch(tone(220.0), RATE_HZ)
    assert tracks.hop_s == pytest.approx(HOP_S)
    assert tracks.times_s[-1] == pytest.approx(0.5, abs=1.1 * HOP_S)
