import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.structures.sound import peak_shares, stems_of_peaks
from musisep_cli.methods.structures.spectral_peaks import PeakConfig, spectral_peaks
from tests.signals import harmonic_tone
from tests.unit.methods.structures.made import RATE, instruments_like, make_frame, peaks_at

BRIGHT, DARK = (1.0, 0.8, 0.8, 0.6, 0.6, 0.4), (1.0, 0.2, 0.1, 0.05)
KNOWN = instruments_like(BRIGHT, DARK)


def test_two_tones_without_common_harmonics_come_apart() -> None:
    frame = make_frame()
    tones = [
        harmonic_tone(f0, amplitudes=row, duration_s=0.8, sample_rate_hz=RATE)
        for f0, row in ((440.0, BRIGHT), (622.0, DARK))
    ]
    centres = torch.arange(12_000, 26_000, frame.hop_samples)
    truth = torch.stack([frame.analyse(torch.from_numpy(tone), centres) for tone in tones])
    mix = truth.sum(0)
    peaks = spectral_peaks(mix.abs().numpy(), frame, PeakConfig())
    f0_bins = np.tile(np.array([440.0, 622.0]) / frame.bin_hz, (len(centres), 1))
    shares = peak_shares(peaks, f0_bins, KNOWN)
    stems = stems_of_peaks(mix[None], peaks, shares, frame.ideal_width_bins)[:, 0]
    for stem, tone in zip(stems, truth, strict=True):
        error = (stem - tone).abs().square().sum() / tone.abs().square().sum()
        assert 10 * np.log10(float(error)) < -50


def test_a_harmonic_that_is_too_loud_leaves_the_rest_in_the_residual() -> None:
    # The third harmonic is 20 dB louder than the structure leads to expect: someone sings there.
    levels = [20 * np.log10(a) for a in BRIGHT]
    levels[2] += 20
    peaks = peaks_at([[100.0 * h for h in range(1, 7)]], [levels])
    shares = peak_shares(peaks, np.array([[100.0, 0.0]]), KNOWN)[0, 0]
    np.testing.assert_allclose(shares[[0, 1, 3, 4, 5]], 1)
    np.testing.assert_allclose(20 * np.log10(shares[2]), -20 + 2 * 3, atol=1e-6)  # 2 HSI


def test_peaks_that_are_nobodys_stay() -> None:
    peaks = peaks_at([[100.0, 150.0, 200.0]])
    shares = peak_shares(peaks, np.array([[100.0, 0.0]]), KNOWN)
    assert (shares[0, :, 1] == 0).all()
    assert (shares[0, 1] == 0).all()


@given(ratio_db=st.floats(-20, 20))
def test_where_two_meet_each_takes_what_it_is_expected_to_have(ratio_db: float) -> None:
    # Both have a harmonic at 300 bins; all others are their own, and say how loud they are.
    alike = instruments_like((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    places = [100.0, 200.0, 300.0, 400.0, 150.0, 450.0, 600.0]
    levels = [0.0, 0.0, 0.0, 0.0, ratio_db, ratio_db, ratio_db]
    peaks = peaks_at([places], [levels])
    shares = peak_shares(peaks, np.array([[100.0, 150.0]]), alike)[0]
    k = int(np.flatnonzero(peaks.frequency_bins[0] == 300.0)[0])
    np.testing.assert_allclose(20 * np.log10(shares[1, k] / shares[0, k]), ratio_db, atol=1e-6)
    assert shares[:, k].sum() <= 1 + 1e-9


def test_channels_keep_their_levels() -> None:
    frame = make_frame()
    tone = torch.from_numpy(
        harmonic_tone(440.0, amplitudes=BRIGHT, duration_s=0.5, sample_rate_hz=RATE)
    )
    channels = frame.analyse(torch.stack([tone, -0.25 * tone]), torch.tensor([12_000]))
    peaks = spectral_peaks(channels.mean(0).abs().numpy(), frame, PeakConfig())
    shares = peak_shares(peaks, np.array([[440.0 / frame.bin_hz, 0.0]]), KNOWN)
    stems = stems_of_peaks(channels, peaks, shares, frame.ideal_width_bins)
    torch.testing.assert_close(stems[0, 1], -0.25 * stems[0, 0])
    assert (stems[1] == 0).all()
