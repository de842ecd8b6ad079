"""One window: levels, noise and rows of harmonics against sums written out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.stems import one_window
from musisep_cli.stems.one_window import (
    LEAST_NOISE,
    LEAST_RELATIVE_NOISE,
    ResynthesisConfig,
    WindowFit,
    seen_alike,
    window_scales,
)
from musisep_cli.tones.joint_fit import peaks_of
from musisep_cli.tones.notes import NeighbourTones
from musisep_cli.tones.tones import Tones

N_BINS, N_HARMONICS, WIDTH = 200, 4, 1.9
F0_BINS = torch.tensor([[20.0, 33.0], [60.0, 31.0]])
ON = torch.tensor([[1.0, 1.0], [1.0, 0.0]])


def fit(channels: Tensor | None = None, n_channels: int = 2) -> WindowFit:
    """Two frames with two tones; the third tone's upper harmonics are beyond the spectrum."""
    tones = Tones(ON, F0_BINS, torch.zeros_like(ON))
    peaks = peaks_of(tones, n_harmonics=N_HARMONICS, width=WIDTH, n_bins=N_BINS)
    if channels is None:
        generator = torch.Generator().manual_seed(0)
        parts = torch.randn(2, n_channels, N_BINS, 2, generator=generator)
        channels = torch.view_as_complex(parts)
    expected = 0.1 + torch.arange(16.0).view(2, 8)
    return WindowFit(tones, channels, peaks, expected, torch.zeros_like(expected))


def test_products_are_inner_products_with_the_peaks() -> None:
    found = fit()
    bins = np.arange(N_BINS)
    for n in range(2):
        for j in range(8):
            place = float(F0_BINS[n, j // 4]) * (1 + j % 4)
            inside = bool(ON[n, j // 4])
            peak = np.exp(-0.5 * ((bins - place) / WIDTH) ** 2) * inside
            expected = found.channels[n].numpy() @ peak
            assert_allclose(found.products[n, j].numpy(), expected, atol=1e-6)


def test_harmonics_beyond_the_spectrum_and_of_tones_that_are_off_are_left_out() -> None:
    expected = [[True] * 8, [True] * 3 + [False] + [False] * 4]
    assert_array_equal(fit().kept, expected)


def test_the_rows_of_a_frame_are_those_of_its_harmonics_and_are_put_back() -> None:
    found = fit()
    values = torch.view_as_complex(torch.arange(64.0).view(2, 8, 2, 2))
    rows = found.rows_of(values)
    assert [len(row) for row in rows] == [8, 3]
    assert_close(found.dense(rows), values * torch.from_numpy(found.kept)[..., None])


def test_what_is_heard_of_a_frame_is_told_by_tone_and_number() -> None:
    first, second = fit().heard(N_HARMONICS)
    assert first.tones.tolist() == [0] * 4 + [1] * 4
    assert first.numbers.tolist() == [1, 2, 3, 4] * 2
    assert second.numbers.tolist() == [1, 2, 3]
    assert_allclose(second.positions, [60.0, 120.0, 180.0])
    assert_allclose(second.f0_bins, [60.0] * 3)
    assert_allclose(first.expected, 0.1 + np.arange(8), rtol=1e-6)
    h = np.arange(1, 5)
    places = np.concatenate([20 * h, 33 * h])
    overlap = np.exp(-((places[:, None] - places) ** 2) / (4 * WIDTH**2))
    assert_allclose(first.gram, WIDTH * np.sqrt(np.pi) * overlap, atol=1e-5)


def test_a_level_is_the_sum_of_the_expected_harmonics_and_grows_with_them() -> None:
    found = fit()
    levels = found.expected.view(2, 2, 4).sum(2)
    assert_close(found.levels, levels)
    louder = found.louder(torch.tensor([[2.0], [3.0]]))  # of the first tone only
    assert_close(louder.levels, levels * torch.tensor([[2.0, 1.0], [3.0, 1.0]]))


def test_the_noise_is_what_a_fit_leaves_over_around_a_harmonic() -> None:
    # A perfect fit but for a bump at one harmonic of the first frame: noise is seen there.
    found = fit(torch.zeros(2, 1, N_BINS, dtype=torch.complex64))
    coefficients = torch.zeros(2, 8, dtype=torch.complex64)
    channels = found.channels.clone()
    channels[0, 0, 38:43] = 2.0  # around the second harmonic of the first tone, at bin 40
    left = replace(found, channels=channels).with_noise(coefficients, rest_noise=1.5)
    reach = int(2 * WIDTH)
    powers = np.zeros(N_BINS + 2 * reach)
    powers[reach:-reach] = np.abs(channels[0, 0].numpy()) ** 2
    size = 2 * reach + 1
    mean = np.array([powers[f : f + size].mean() for f in range(N_BINS)])
    noise = np.sqrt(mean)
    places = np.concatenate([20 * np.arange(1, 5), 33 * np.arange(1, 5)])
    expected = 1.5 * np.maximum(noise[places], LEAST_NOISE * noise[places].max())
    least = LEAST_RELATIVE_NOISE * found.expected[0].numpy()
    assert_allclose(left.noise[0], np.maximum(expected, least), rtol=1e-5)
    assert_allclose(left.noise[1], LEAST_RELATIVE_NOISE * found.expected[1], rtol=1e-6)


def test_windows_are_shorter_where_another_note_sounds_and_groups_are_no_larger_than_a_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = torch.zeros(10, 6)
    on[:, :2] = 1
    on[3, 2] = on[7, 5] = 1  # one that ends, one that begins
    tones = NeighbourTones.split(Tones(on, 50 + on, 0 * on))
    scales = window_scales(tones, ResynthesisConfig(change_window=0.5))
    assert scales.tolist() == [0.5 if n in (3, 7) else 1.0 for n in range(10)]
    monkeypatch.setattr(one_window, "BLOCK_FRAMES", 3)
    groups = [rows.tolist() for rows in seen_alike(scales)]
    assert groups == [[3, 7], [0, 1, 2], [4, 5, 6], [8, 9]]
