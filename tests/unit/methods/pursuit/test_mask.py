import numpy as np
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.pursuit.configs import MaskConfig
from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, to_bins
from musisep_cli.methods.pursuit.mask import linear_spectra, stems_of
from tests.signals import pure_tone
from tests.unit.methods.pursuit.problems import some_atoms

RATE_HZ = 16_000
FRAME = GaborFrame(FrameConfig(), RATE_HZ)


def tones_at(*f0_hz: float) -> np.ndarray:
    """One frame with one tone of each instrument, ``[n, i, t, 4]``."""
    tones = np.zeros((1, len(f0_hz), 1, 4))
    tones[0, :, 0, 0] = 0.5
    tones[0, :, 0, 1] = to_bins(np.array(f0_hz))
    tones[0, :, 0, 2] = LINE_WIDTH
    return tones


def noise(n_channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        n_channels, 1, FRAME.n_network_bins, dtype=torch.complex64, generator=generator
    )


def test_magnitudes_add_up_to_the_mixtures_where_tones_are_and_to_0_elsewhere() -> None:
    columns = some_atoms(np.random.default_rng(0), 2)
    channels, tones = noise(), tones_at(440.0, 623.0)
    stems = stems_of(channels, tones, columns, FRAME, MaskConfig())
    heard = linear_spectra(tones, columns, FRAME.bin_hz, channels.shape[-1]).sum(1) > 0
    expected = channels.abs() * torch.from_numpy(heard)
    torch.testing.assert_close(stems.abs().sum(0), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(stems.sum(0), channels * torch.from_numpy(heard))
    assert 0 < heard.mean() < 1


def test_one_instrument_that_sounds_everywhere_is_the_mixture() -> None:
    columns, channels = np.ones((1, 1)), noise()[..., :40]
    tones = tones_at(20 * FRAME.bin_hz)
    near = slice(10, 31)
    stems = stems_of(channels, tones, columns, FRAME, MaskConfig())
    torch.testing.assert_close(stems[0][..., near], channels[..., near])


def test_a_floor_leaves_faint_places_to_nobody() -> None:
    columns = some_atoms(np.random.default_rng(0), 2)
    channels, tones = noise(), tones_at(440.0, 623.0)
    hard = stems_of(channels, tones, columns, FRAME, MaskConfig()).sum(0).abs()
    soft = stems_of(channels, tones, columns, FRAME, MaskConfig(floor=1e-2)).sum(0).abs()
    assert (soft <= hard + 1e-6).all()
    assert soft.sum() < 0.9 * hard.sum()


def test_unmasked_stems_have_the_tones_magnitudes_and_the_mixtures_phase() -> None:
    columns = some_atoms(np.random.default_rng(0), 2)
    channels, tones = noise(1), tones_at(440.0, 623.0)
    stems = stems_of(channels, tones, columns, FRAME, MaskConfig(enabled=False))
    drawn = linear_spectra(tones, columns, FRAME.bin_hz, channels.shape[-1])
    torch.testing.assert_close(stems[:, 0].abs(), torch.from_numpy(drawn).transpose(0, 1))
    heard = stems[0, 0].abs() > 1e-3
    torch.testing.assert_close(stems[0, 0][heard].angle(), channels[0][heard].angle())


def test_a_tone_lies_on_the_linear_axis_where_its_sinusoid_does() -> None:
    tone = pure_tone(441.0, duration_s=1, sample_rate_hz=RATE_HZ, amplitude=1.0)
    spectrum = FRAME.analyse(torch.from_numpy(tone.astype(np.float32)), torch.tensor([8000]))
    n_bins = FRAME.n_network_bins
    drawn = linear_spectra(tones_at(441.0), np.eye(1, 25), FRAME.bin_hz, n_bins)
    np.testing.assert_allclose(drawn[0, 0], spectrum[0, :n_bins].abs().numpy(), atol=2e-3)
