"""Masks: from 0 to 1, of sum 1, and stems that add up to the mixture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.source_filter.expected import line_powers
from musisep_cli.methods.source_filter.masks import GaborWindow, MaskConfig, Masking, masks_of
from musisep_cli.methods.source_filter.source import Voices
from tests.signals import harmonic_tone
from tests.unit.methods.source_filter.made import voices

WIDE = FrameConfig(max_frequency_hz=200_000.0)
TWO = torch.tensor([0, 1])


def powers(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) ** 4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.5, 4))
def test_masks_are_shares(seed: int, exponent: float) -> None:
    players = torch.tensor([0, 1, 2, 0])
    found = masks_of(powers(seed, 4, 3, 60), players, 200.0, exponent)
    assert found.shape == (3, 3, 60)
    assert float(found.min()) >= 0
    assert_close(found.sum(0), torch.ones(3, 60))
    louder = masks_of(100 * powers(seed, 4, 3, 60), players, 200.0, exponent)
    assert_close(louder, found, rtol=1e-3, atol=1e-6)


def test_where_nobody_sounds_all_get_the_same_and_who_is_silent_gets_nothing() -> None:
    silent = torch.zeros(2, 1, 60)
    assert_close(masks_of(silent, TWO, 200.0, 2.0), torch.full((2, 1, 60), 0.5))
    silent[0] = 1e-4
    assert float(masks_of(silent, TWO, 200.0, 2.0)[1].max()) < 1e-9


def test_above_the_model_s_end_the_shares_of_the_band_below_go_on() -> None:
    drawn = torch.zeros(2, 1, 100)
    drawn[0], drawn[1, :, :30] = 1.0, 9.0
    found = masks_of(drawn, TWO, 200.0, 2.0)
    # From 6 kHz, bin 30, on the second voice has nothing.
    assert_close(found[0, 0, 38:], torch.ones(62))
    drawn[1, :, 30:38] = 3.0
    assert_close(masks_of(drawn, TWO, 200.0, 2.0)[1, 0, 38:], torch.full((62,), 0.75))


def masking(
    samples: np.ndarray, rate_hz: int, f0_hz: tuple[float, ...], *, noise: float = 0.0
) -> Masking:
    frame = GaborFrame(WIDE, rate_hz)
    signal = torch.from_numpy(samples.astype(np.float32))
    n_frames = len(frame.centres(signal.shape[-1]))
    model = voices((n_frames, len(f0_hz)), noise=noise, dtype=torch.float32)

    def at(block: slice) -> Voices:
        return model[block]

    pitches = np.tile(np.array(f0_hz, np.float32)[:, None], (1, n_frames))
    return Masking(frame, signal, pitches, at, np.arange(len(f0_hz)), MaskConfig())


def stems(made: Masking) -> torch.Tensor:
    return torch.cat(list(made.stems(lambda _: None)), -1)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
def test_stems_add_up_to_the_recording_in_every_channel(rate_hz: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, rate_hz // 2))
    found = stems(masking(samples, rate_hz, (220.0, 330.0), noise=0.1))
    assert found.shape == (2, 2, rate_hz // 2)
    np.testing.assert_allclose(found.sum(0).numpy(), samples, rtol=0, atol=1e-6)


def test_a_single_voice_gets_the_recording() -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 8_000))
    found = stems(masking(samples, 16_000, (220.0,)))
    np.testing.assert_allclose(found[0].numpy(), samples, rtol=0, atol=1e-6)


def test_two_tones_of_the_model_s_own_kind_come_apart() -> None:
    tones = [
        harmonic_tone(f0_hz, amplitudes=(0.1,) * 6, duration_s=0.6, sample_rate_hz=44_100)
        for f0_hz in (220.0, 277.0)
    ]
    found = stems(masking(sum(tones)[None], 44_100, (220.0, 277.0)))[:, 0].numpy()
    for tone, stem in zip(tones, found, strict=True):
        error = np.square(tone - stem)[4000:-4000].sum()
        assert 10 * np.log10(np.square(tone)[4000:-4000].sum() / error) > 12


def test_swapped_pitches_swap_the_stems() -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6_000))
    one, other = (stems(masking(samples, 16_000, f0)) for f0 in ((220.0, 330.0), (330.0, 220.0)))
    assert_close(one, other.flip(0))
    equal = stems(masking(samples, 16_000, (220.0, 220.0)))
    assert_close(equal[0], equal[1])


def test_a_steady_line_has_the_power_that_the_frame_gives_it() -> None:
    rate_hz = 44_100
    frame = GaborFrame(WIDE, rate_hz)
    window = GaborWindow(frame)
    f0_hz = 100 * frame.bin_hz
    tone = 0.5 * np.cos(2 * np.pi * f0_hz * np.arange(rate_hz) / rate_hz)
    spectra = frame.analyse(torch.from_numpy(tone).float(), torch.tensor([rate_hz // 2]))
    model = voices((1, 1), amplitude=1.0, dtype=torch.float32)
    drawn = line_powers(model, torch.tensor([[f0_hz]]), window)[0, 0]
    scale = float(drawn[100])
    found = spectra[0].abs().square()
    near = slice(94, 107)
    assert_close(drawn[near] / scale, found[near] / found[100], rtol=1e-3, atol=1e-6)
    assert abs(float(found[100]) - window.line_power * 0.25) < 1e-4
