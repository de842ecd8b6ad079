"""Breath: what tones leave over goes to the instruments as far as it is faint beside them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.stems.breath import BAND_HZ, LOWEST_HZ, breath

FRAME = GaborFrame(FrameConfig(), 16_000)
N_BINS = FRAME.n_network_bins
MOST = 0.1


def noise(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.complex64)


def flat(level: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, level, dtype=torch.complex64)


def test_a_faint_leftover_is_shared_out_by_power() -> None:
    stems = torch.stack([flat(2.0, 1, 1, N_BINS), flat(1.0, 1, 1, N_BINS)], 1)
    leftover = flat(0.1, 1, 1, N_BINS)
    found = breath(leftover, stems, FRAME, MOST)
    torch.testing.assert_close(found[:, 0], 0.8 * leftover)
    torch.testing.assert_close(found[:, 1], 0.2 * leftover)


def test_of_a_loud_leftover_as_much_is_shared_as_an_instrument_may_breathe() -> None:
    stems = flat(1.0, 1, 1, 1, N_BINS)
    leftover = flat(10.0, 1, 1, N_BINS)
    # b P / |r|^2 = 0.1 / 100
    torch.testing.assert_close(breath(leftover, stems, FRAME, MOST)[:, 0], 0.001 * leftover)


def test_what_no_instrument_plays_near_stays_in_the_leftover() -> None:
    stems = flat(1.0, 1, 1, 1, N_BINS)
    far = round(3 * BAND_HZ / FRAME.bin_hz)
    stems[..., far:] = 0
    found = breath(flat(1e-3, 1, 1, N_BINS), stems, FRAME, MOST)[0, 0, 0]
    assert float(found[: far // 3].abs().min()) > 0.9e-3
    assert float(found[far + far // 3 :].abs().max()) == 0


def test_rumble_that_nobody_hears_is_not_loud() -> None:
    stems = flat(1.0, 1, 1, 1, N_BINS)
    leftover = flat(1e-3, 1, 1, N_BINS)
    lowest = int(LOWEST_HZ / FRAME.bin_hz)
    leftover[..., :lowest] = 100.0
    found = breath(leftover, stems, FRAME, MOST)[:, 0]
    torch.testing.assert_close(found, leftover)
    # Just above, it is as loud as it is.
    leftover[..., lowest : 3 * lowest] = 100.0
    assert float(breath(leftover, stems, FRAME, MOST).abs().max()) < 1


@given(st.integers(0, 99), st.floats(-60, 40), st.integers(1, 3), st.integers(1, 2))
def test_it_is_never_more_than_the_leftover(
    seed: int, level_db: float, n_instruments: int, n_channels: int
) -> None:
    stems = noise(seed, 2, n_instruments, n_channels, N_BINS)
    leftover = 10 ** (level_db / 20) * noise(seed + 100, 2, n_channels, N_BINS)
    found = breath(leftover, stems, FRAME, MOST)
    assert found.shape == stems.shape
    assert bool((found.sum(1).abs() <= leftover.abs() * (1 + 1e-5)).all())
    # A part of it: never against it.
    assert bool(((found * leftover.conj()[:, None]).real >= 0).all())


@pytest.mark.parametrize("level", [1e-6, 1e3])
def test_the_level_of_the_recording_does_not_matter(level: float) -> None:
    stems, leftover = noise(0, 1, 2, 1, N_BINS), noise(1, 1, 1, N_BINS)
    found = breath(level * leftover, level * stems, FRAME, MOST)
    torch.testing.assert_close(found / level, breath(leftover, stems, FRAME, MOST))


def test_silence_stays_silent() -> None:
    stems, leftover = flat(0.0, 1, 2, 1, N_BINS), flat(0.0, 1, 1, N_BINS)
    assert float(breath(leftover, stems, FRAME, MOST).abs().max()) == 0
    assert float(breath(leftover + 1, stems, FRAME, MOST).abs().max()) == 0
