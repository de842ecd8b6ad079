import numpy as np
import pytest

from tests import signals


def test_a_pure_tone_has_exactly_its_frequency() -> None:
    tone = signals.pure_tone(440.0, duration_s=1.0, sample_rate_hz=8000, amplitude=0.5)
    spectrum = np.abs(np.fft.rfft(tone))
    assert len(tone) == 8000
    assert spectrum[440] == pytest.approx(0.5 * 8000 / 2)
    assert np.delete(spectrum, 440).max() < 1e-8


def test_partials_lie_where_eq_3_puts_them_and_stop_at_nyquist() -> None:
    # b chosen so that the second partial, 2 * 1000 sqrt(1 + 4 b), falls on a bin: 2100 Hz.
    tone = signals.harmonic_tone(
        1000.0,
        amplitudes=(1.0, 0.5, 0.25, 0.125),
        inharmonicity=(1.05**2 - 1) / 4,
        duration_s=1.0,
        sample_rate_hz=6000,
    )
    spectrum = np.abs(np.fft.rfft(tone)) / 3000
    assert spectrum[2100] == pytest.approx(0.5, abs=0.01)
    assert np.sum(tone**2) * 2 / 6000 == pytest.approx(1.0 + 0.25, rel=0.02)


def test_the_duet_has_two_lines_within_full_scale() -> None:
    duet = signals.duet(duration_s=2.25, sample_rate_hz=8000)
    assert list(duet) == ["flute", "clarinet"]
    for line in duet.values():
        assert line.shape == (18_000,)
        assert np.abs(line).max() == pytest.approx(0.4)


def test_singers_sing_the_pitch_that_is_told() -> None:
    for voice, f0_hz in signals.singers(duration_s=0.5).values():
        assert np.abs(voice).max() == pytest.approx(0.2)
        middle = slice(2000, 6000)  # a quarter of a second
        spectrum = np.abs(np.fft.rfft(voice[middle] * np.hanning(4000), 2**16))
        bins = np.arange(1, 5) * f0_hz[middle].mean() / 16_000 * 2**16
        near = [spectrum[int(0.97 * b) : int(1.03 * b)].max() for b in bins]
        between = [spectrum[int(b - bins[0] / 2)] for b in bins]
        assert min(np.divide(near, between)) > 5
