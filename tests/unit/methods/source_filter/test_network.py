"""Network: its size is the paper's, and what it says follows the pitches."""

import torch
from torch.testing import assert_close

from musisep_cli.frames.leaves import leaves
from musisep_cli.methods.source_filter.network import (
    Network,
    NetworkConfig,
    levels_at_harmonics,
    magnitudes,
    scaled_pitch,
)
from musisep_cli.run.settings.compose import compose
from tests.signals import harmonic_tone
from tests.small import seeded
from tests.unit.methods.source_filter.made import SMALL

F0_HZ = torch.tensor([[[200.0] * 20, [300.0] * 20], [[250.0] * 20, [0.0] * 20]])


def network(config: NetworkConfig = SMALL, n_voices: int = 2) -> Network:
    with seeded(0):
        return Network(config, n_voices)


def mixture() -> torch.Tensor:
    return torch.randn(2, 20 * 256, generator=torch.Generator().manual_seed(0))


def test_the_paper_s_network_has_the_paper_s_weights() -> None:
    config = compose("source-filter-paper").settings.network
    assert sum(x.numel() for x in Network(config).parameters()) == 5_573_961
    spectral = Network(compose("source-filter").settings.network)
    assert sum(x.numel() for x in spectral.parameters()) < 600_000


def test_it_says_parameters_of_every_voice_and_frame_within_bounds() -> None:
    found = network()(mixture(), F0_HZ)
    assert found.amplitude.shape == (2, 2, 20)
    assert found.frequencies.shape == (2, 2, 20, 20)
    assert found.bands.shape == (2, 2, 20, 40)
    for values in leaves(found).values():
        assert bool((values > 0).all())
    assert bool((found.frequencies.diff(dim=-1) > 0).all())
    assert_close(found.bands[:, :, 0], found.bands[:, :, 19])


def test_swapped_pitches_swap_the_parameters_and_equal_ones_give_equal_parameters() -> None:
    pupil = network()
    one, other = pupil(mixture(), F0_HZ), pupil(mixture(), F0_HZ.flip(1))
    for name, values in leaves(one).items():
        assert_close(values, leaves(other)[name].flip(1), rtol=1e-4, atol=1e-5)
    equal = pupil(mixture(), F0_HZ[:, :1].expand(-1, 2, -1))
    for values in leaves(equal).values():
        assert_close(values[:, 0], values[:, 1], rtol=1e-4, atol=1e-5)


def test_a_voice_s_own_numbers_tell_equal_pitches_apart() -> None:
    pupil = network()
    assert pupil.voices is not None
    with torch.no_grad():
        pupil.voices[1] = 2.0
    amplitude = pupil(mixture(), F0_HZ[:, :1].expand(-1, 2, -1)).amplitude.detach()
    assert float((amplitude[:, 0] - amplitude[:, 1]).abs().max()) > 1e-4


def test_the_paper_s_network_is_told_no_levels_and_has_no_own_numbers() -> None:
    config = NetworkConfig(
        encoder_units=4, hidden_units=8, latent=4, voice_numbers=0, told_harmonics=0
    )
    found = network(config)(mixture(), F0_HZ)
    assert found.noise.shape == (2, 2, 20)


def test_pitch_is_scaled_by_its_logarithm() -> None:
    found = scaled_pitch(torch.tensor([20.0, 400.0, 8000.0, 0.0]))
    assert_close(found[:3], torch.tensor([0.0, 0.5, 1.0]), rtol=0, atol=1e-6)
    assert float(found[3]) < 0


def test_levels_are_those_of_the_harmonics() -> None:
    amplitudes = (1.0, 0.1, 0.5)
    tone = harmonic_tone(
        40 * 16_000 / 2048, amplitudes=amplitudes, duration_s=1.0, sample_rate_hz=16_000
    )
    f0_hz = torch.full((1, 1, 62), 40 * 16_000 / 2048)
    told = levels_at_harmonics(torch.from_numpy(tone).float()[None], f0_hz, 4)[0, 0, 30]
    # A line of amplitude 1 has the magnitude 2048 / 4 in a Hann window.
    assert_close(told[:3].exp(), torch.tensor([512.0, 51.2, 256.0]), rtol=0.02, atol=0)
    assert float(told[3]) < 0
    rest = levels_at_harmonics(torch.from_numpy(tone).float()[None], torch.zeros(1, 1, 62), 4)
    assert float(rest.abs().max()) == 0


def test_there_is_a_frame_every_256_samples() -> None:
    assert magnitudes(torch.zeros(1, 2560), 512).shape == (1, 11, 257)
