"""Resynthesis: the shares of a bin, and what comes back from shared spectra."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.framewise import BLOCK_FRAMES
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.stems.waveforms import resynthesise
from musisep_cli.stems.wiener import shared, shares
from musisep_cli.tones.joint_fit import JointFit
from musisep_cli.tones.tones import Tones
from tests import dense

FLOOR = 1e-4
RATE_HZ = 8_000
# A short window: many frames in a short signal.
FRAME = GaborFrame(FrameConfig(zeta_s=0.002), RATE_HZ, dtype=torch.float64)
SEEDS = st.integers(0, 2**20)


def envelopes(seed: int, n_frames: int = 3, n_instruments: int = 2, n_bins: int = 40) -> Tensor:
    """Magnitudes over many orders, some of them 0, [n, i, f]."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_frames, n_instruments, n_bins)
    levels = torch.rand(shape, generator=generator, dtype=torch.float64)
    exist = torch.rand(shape, generator=generator) < 0.8
    return 10 ** (8 * levels - 8) * exist


@given(SEEDS, st.integers(1, 4), st.sampled_from([1e-6, 1e-4, 0.1]))
def test_shares_equal_their_formula(seed: int, n_instruments: int, floor: float) -> None:
    given_ = envelopes(seed, n_instruments=n_instruments)
    found = shares(given_, floor)
    for frame, masks in zip(given_.numpy(), found.numpy(), strict=True):
        highest = max(frame.max(), 1e-300)
        for f in range(frame.shape[1]):
            for i in range(n_instruments):
                expected = frame[i, f] / (frame[:, f].sum() + floor * highest)
                assert masks[i, f] == pytest.approx(expected, rel=1e-12)


@given(SEEDS, st.integers(1, 4), st.sampled_from([torch.float32, torch.float64]))
def test_shares_lie_between_0_and_1_and_so_does_their_sum(
    seed: int, n_instruments: int, dtype: torch.dtype
) -> None:
    found = shares(envelopes(seed, n_instruments=n_instruments).to(dtype), FLOOR)
    rounding = 4 * torch.finfo(dtype).eps
    assert bool(((found >= 0) & (found <= 1)).all())
    assert float(found.sum(1).max()) <= 1 + rounding


def test_shares_add_up_to_1_where_tones_are_and_fade_where_none_are() -> None:
    peaks = dense.peaks(np.array([10.0, 24.0]), 1.9, 60)
    found = shares(torch.from_numpy(peaks)[None], FLOOR)[0]
    total = found.sum(0)
    assert float((total[[9, 10, 11, 23, 24, 25]] - 1).abs().max()) < 2e-4
    assert float(total[45:].max()) < 1e-6
    assert float(found[0, 10]) > 0.999
    assert float(found[1, 24]) > 0.999
    assert float(found[0, 17]) == pytest.approx(0.5, abs=0.1)  # half way between two equal tones


def test_one_instrument_takes_all_that_sounds() -> None:
    found = shares(torch.full((1, 1, 5), 0.3), FLOOR)
    assert_close(found, torch.ones(1, 1, 5), atol=2e-4, rtol=0)


@given(SEEDS, st.sampled_from([1e-12, 1e-3, 1e6]))
def test_shares_do_not_depend_on_the_level(seed: int, level: float) -> None:
    given_ = envelopes(seed)
    assert_close(shares(level * given_, FLOOR), shares(given_, FLOOR), atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_has_no_shares(dtype: torch.dtype) -> None:
    assert_close(
        shares(torch.zeros(2, 3, 8, dtype=dtype), FLOOR),
        torch.zeros(2, 3, 8, dtype=dtype),
        atol=0,
        rtol=0,
    )
    nearly = shares(torch.full((1, 2, 4), torch.finfo(dtype).tiny, dtype=dtype), FLOOR)
    assert bool(torch.isfinite(nearly).all())


def test_a_silent_frame_does_not_touch_the_others() -> None:
    loud = envelopes(1)
    with_rest = loud.clone()
    with_rest[1] = 0
    assert_close(shares(with_rest, FLOOR)[[0, 2]], shares(loud, FLOOR)[[0, 2]], atol=0, rtol=0)


# From shares to stems


@given(SEEDS)
def test_stems_are_what_the_gaussian_model_leads_to_expect(seed: int) -> None:
    # Y = sum_i (sum_h c_h g_h + e_i): the dense expectation is K_i (sum_j K_j)^-1 Y with the
    # covariances K_i = G_i P_i G_i^T + diag(m_i) n.
    generator = np.random.default_rng(seed)
    # The highest harmonic, at 54 at most, ends within the bins: the normal matrix of the fit sums
    # beyond the last one.
    n_bins, n_tones, n_harmonics, width = 66, 2, 3, 1.9
    f0_bins = generator.uniform(8, 18, n_tones)
    power = 10 ** generator.uniform(-3, 0, (n_tones, n_harmonics))
    noise = 10 ** generator.uniform(-3, 0)
    masks = generator.dirichlet(np.ones(n_tones), n_bins).T
    spectrum = generator.normal(size=n_bins) + 1j * generator.normal(size=n_bins)
    covariances = []
    for i in range(n_tones):
        g = dense.peaks(dense.positions(f0_bins[i], 0.0, n_harmonics), width, n_bins)
        covariances.append(g.T @ np.diag(power[i]) @ g + noise * np.diag(masks[i]))
    expected = np.stack(covariances) @ np.linalg.solve(np.sum(covariances, 0), spectrum)
    pitches = torch.from_numpy(f0_bins)[None]
    fit = JointFit.of(
        Tones(torch.ones_like(pitches), pitches, torch.zeros_like(pitches)),
        torch.from_numpy(spectrum)[None],
        n_harmonics=n_harmonics,
        width=width,
        tikhonov=noise / torch.from_numpy(power).flatten()[None],
    )
    rest = torch.from_numpy(spectrum) - fit.tone_spectra.sum(1)
    found = fit.tone_spectra + shared(rest[:, None], torch.from_numpy(masks)[None], 0.0)[:, :, 0]
    assert_close(found[0], torch.from_numpy(expected), atol=1e-5, rtol=0)


# From shares to waveforms


def noise(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def below_nyquist(signal: Tensor) -> Tensor:
    """What is left of a signal without the bins that the network does not see."""

    def explain(channels: Tensor) -> Tensor:
        return channels[None]

    return torch.cat(list(resynthesise(FRAME, signal, explain)), -1)[0]


def test_the_whole_spectrum_gives_the_recording_back_up_to_the_nyquist_bin() -> None:
    signal = noise(2, 1_000)
    # Smooth, so that the one bin that is left out holds nothing.
    smooth = (signal + 2 * signal.roll(1, -1) + signal.roll(2, -1))[:, 2:] / 4
    found = below_nyquist(smooth)
    assert found.shape == smooth.shape
    assert float((found - smooth).norm() / smooth.norm()) < 0.01


def test_stems_of_complementary_shares_add_up_to_the_recording() -> None:
    signal = noise(2, 900)
    masks = shares(envelopes(3, 1, 3, FRAME.n_network_bins) + 1e-3, 0.0)[0]

    def explain(channels: Tensor) -> Tensor:
        return masks[:, None, None] * channels

    stems = torch.cat(list(resynthesise(FRAME, signal, explain)), -1)
    assert stems.shape == (3, 2, 900)
    assert_close(stems.sum(0), below_nyquist(signal), atol=1e-12, rtol=0)


def test_blocks_come_in_order() -> None:
    signal = noise(3, 2_000)
    n_frames = len(FRAME.centres(2_000))
    assert n_frames > 2 * BLOCK_FRAMES
    seen: list[Tensor] = []

    def explain(channels: Tensor) -> Tensor:
        seen.append(channels)
        return torch.zeros(1, *channels.shape, dtype=channels.dtype)

    stems = torch.cat(list(resynthesise(FRAME, signal, explain)), -1)
    assert_close(stems, torch.zeros(1, 3, 2_000, dtype=torch.float64), atol=0, rtol=0)
    assert [channels.shape[1] for channels in seen[:-1]] == [BLOCK_FRAMES] * (len(seen) - 1)
    expected = FRAME.analyse(signal, FRAME.centres(2_000))[..., : FRAME.n_network_bins]
    assert_close(torch.cat(seen, 1), expected, atol=1e-14, rtol=0)
