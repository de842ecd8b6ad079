"""Windows: groups of frames and frames in order say the same of every frame."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.stems.one_window import ResynthesisConfig, WindowFit, seen_alike, window_scales
from musisep_cli.stems.windows import WindowFits
from musisep_cli.tones.joint_fit import peaks_of
from musisep_cli.tones.notes import NeighbourTones
from musisep_cli.tones.tones import Tones

N_BINS, N_HARMONICS, WIDTH = 64, 3, 1.9


def fit_of(f0_bins: Tensor) -> WindowFit:
    """A fit of frames with one tone each, and with all in it that this module reads."""
    tones = Tones(torch.ones_like(f0_bins), f0_bins, torch.zeros_like(f0_bins))
    peaks = peaks_of(tones, n_harmonics=N_HARMONICS, width=WIDTH, n_bins=N_BINS)
    channels = torch.zeros(len(f0_bins), 1, N_BINS, dtype=torch.complex64)
    return WindowFit(tones, channels, peaks, peaks.positions, torch.ones_like(peaks.positions))


def windows_of(f0_bins: Tensor, scales: Tensor) -> WindowFits:
    groups = seen_alike(scales)
    return WindowFits(groups, [fit_of(f0_bins[rows]) for rows in groups])


PITCHES = st.lists(st.floats(3, 18), min_size=1, max_size=12)


@given(PITCHES, st.integers(0, 2**20))
def test_groups_are_put_in_the_order_of_the_frames(pitches: list[float], seed: int) -> None:
    f0_bins = torch.tensor(pitches)[:, None]
    scales = torch.from_numpy(np.random.default_rng(seed).choice([0.6, 1.0], len(pitches)))
    windows = windows_of(f0_bins, scales)
    assert_close(windows.joined(lambda fit: fit.tones.f0_bins), f0_bins, atol=0, rtol=0)
    in_order = windows.by_frame(lambda fit: fit.tones.f0_bins[:, 0].tolist())
    assert in_order == f0_bins[:, 0].tolist()


@given(PITCHES, st.integers(0, 2**20))
def test_coefficients_go_to_the_frames_that_they_are_of(pitches: list[float], seed: int) -> None:
    generator = np.random.default_rng(seed)
    f0_bins = torch.tensor(pitches)[:, None]
    windows = windows_of(f0_bins, torch.from_numpy(generator.choice([0.6, 1.0], len(pitches))))
    # Of every frame one row per harmonic within the spectrum: its number in the whole stretch.
    kept = windows.by_frame(lambda fit: list(fit.kept))
    coefficients = [np.full((int(row.sum()), 1), 1 + n, complex) for n, row in enumerate(kept)]
    for rows, found in zip(windows.groups, windows.by_window(coefficients), strict=True):
        for n, of_frame in zip(rows.tolist(), found[..., 0].real, strict=True):
            inside = f0_bins[n, 0] * torch.arange(1, N_HARMONICS + 1) <= N_BINS - 1
            assert_close(of_frame, (1.0 + n) * inside, atol=0, rtol=0)


def test_fits_are_changed_group_by_group() -> None:
    f0_bins = torch.tensor([[5.0], [7.0], [9.0]])
    windows = windows_of(f0_bins, torch.tensor([1.0, 0.6, 1.0]))
    factors = torch.tensor([[1.0], [2.0], [3.0]])
    louder = windows.changed(fit.louder(factors[rows]) for rows, fit in windows)
    assert_close(
        louder.joined(lambda fit: fit.levels), factors * windows.joined(lambda fit: fit.levels)
    )
    assert [rows.tolist() for rows, _ in louder] == [rows.tolist() for rows, _ in windows]


@given(st.integers(0, 2**20), st.integers(1, 4))
def test_every_frame_is_in_the_group_of_its_window(seed: int, i: int) -> None:
    generator = np.random.default_rng(seed)
    on = torch.from_numpy(generator.random((9, 3 * i)) < 0.3).float()
    tones = NeighbourTones.split(Tones(on, 40 * torch.ones_like(on), torch.zeros_like(on)))
    scales = window_scales(tones, ResynthesisConfig(change_window=0.6))
    for n in range(9):
        holds_two = bool((tones.before.on[n] > 0).any() or (tones.after.on[n] > 0).any())
        assert float(scales[n]) == (torch.tensor(0.6) if holds_two else 1.0)
    groups = seen_alike(scales)
    assert sorted(n for rows in groups for n in rows.tolist()) == list(range(9))
    assert all(len(scales[rows].unique()) == 1 for rows in groups)
