"""Levels of notes: how far a tone is seen for itself, and what the frames around tell."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.stems.levels import LEAST_SEEN, REACH, seen, steadied
from musisep_cli.tones.joint_fit import peaks_of
from musisep_cli.tones.tones import Tones

N_BINS, WIDTH, N_HARMONICS = 600, 1.9, 4
HOP_S = 0.01
SEEDS = st.integers(0, 2**20)


def share_seen(f0_bins: list[float], expected: list[list[float]], on: list[float]) -> list[float]:
    pitches = Tones(torch.tensor([on]), torch.tensor([f0_bins]), torch.zeros(1, len(on)))
    peaks = peaks_of(pitches, n_harmonics=N_HARMONICS, width=WIDTH, n_bins=N_BINS)
    return seen(peaks, torch.tensor([expected]).flatten(1), len(on))[0].tolist()


def test_a_tone_alone_is_seen_and_one_that_is_off_is_not() -> None:
    falling = [1.0, 0.5, 0.2, 0.1]
    assert share_seen([50.0, 83.0], [falling, falling], [1.0, 0.0]) == pytest.approx([1.0, 0.0])
    # 50, 100, 150, 200 and 83, 166, 249, 332: no two within 16 bins.
    assert share_seen([50.0, 83.0], [falling, falling], [1.0, 1.0]) == pytest.approx([1.0, 1.0])


def test_of_an_octave_the_upper_tone_is_seen_by_its_share_of_what_both_have() -> None:
    lower, upper = [1.0, 0.6, 0.5, 0.2], [0.3, 0.1, 0.0, 0.0]
    found = share_seen([50.0, 100.0], [lower, upper], [1.0, 1.0])
    shares = 0.3 / (0.3 + 0.6), 0.1 / (0.1 + 0.2)
    expected = (0.3**2 * shares[0] + 0.1**2 * shares[1]) / (0.3**2 + 0.1**2)
    assert found[1] == pytest.approx(expected, rel=1e-5)
    own = [1.0, 0.6 / 0.9, 1.0, 0.2 / 0.3]
    powers = np.square(lower)
    assert found[0] == pytest.approx(float((powers * own).sum() / powers.sum()), rel=1e-5)


def test_harmonics_that_are_near_hide_each_other_in_part() -> None:
    distance = 3.0
    found = share_seen([50.0, 50.0 + distance], [[1.0, 0, 0, 0], [1.0, 0, 0, 0]], [1.0, 1.0])
    overlap = math.exp(-(distance**2) / (4 * WIDTH**2))
    assert found == pytest.approx(2 * [1 / (1 + overlap)], rel=1e-5)


def line(on: list[float], f0_bins: list[float]) -> Tones:
    """One instrument."""
    return Tones(torch.tensor(on)[:, None], torch.tensor(f0_bins)[:, None], torch.zeros(len(on), 1))


def factors(levels: list[float], share: float, tones: Tones, level_s: float = 0.05) -> Tensor:
    values = torch.tensor(levels)[:, None]
    found = steadied(values, torch.full_like(values, share), tones, hop_s=HOP_S, level_s=level_s)
    return found[:, 0]


def test_a_tone_that_is_seen_keeps_its_level_and_so_does_one_that_is_steady() -> None:
    tones = line([1.0] * 9, [60.0] * 9)
    beating = [1.0, 0.2] * 4 + [1.0]
    assert_close(factors(beating, 1.0, tones), torch.ones(9))
    assert_close(factors([0.3] * 9, 0.0, tones), torch.ones(9))
    assert_close(factors(beating, 0.0, tones, level_s=0.0), torch.ones(9))


def test_one_that_is_hidden_is_as_loud_as_its_note() -> None:
    # Much longer than the note: the root of the mean power of all its frames.
    tones = line([1.0] * 8, [60.0] * 8)
    beating = torch.tensor([1.0, 0.2] * 4)
    found = factors(beating.tolist(), 0.0, tones, level_s=10.0) * beating
    assert_close(found, torch.full((8,), math.sqrt((1 + 0.2**2) / 2)), rtol=1e-4, atol=0)


@pytest.mark.parametrize("between", [(0.0, 60.0), (1.0, 80.0)])
def test_another_note_or_a_rest_has_no_say(between: tuple[float, float]) -> None:
    on, f0_bins = between
    tones = line([1.0] * 4 + [on] + [1.0] * 4, [60.0] * 4 + [f0_bins] + [60.0] * 4)
    levels = [1.0, 0.5, 1.0, 0.5, 9.0, 4.0, 2.0, 4.0, 2.0]
    whole = factors(levels, 0.0, tones)
    part = factors(levels[:4], 0.0, line([1.0] * 4, [60.0] * 4))
    assert_close(whole[:4], part)
    assert_close(whole[5:], part)
    assert float(whole[4]) == pytest.approx(1.0)


@given(SEEDS, st.integers(1, 40), st.floats(0.01, 0.1))
def test_it_is_the_weighted_mean_over_the_note_written_out(
    seed: int, n: int, level_s: float
) -> None:
    generator = np.random.default_rng(seed)
    on = np.repeat(generator.random(n) < 0.8, 3)[:n]
    f0_bins = np.repeat(generator.choice([40.0, 60.0], n), 5)[:n]
    levels, shares = generator.uniform(0.1, 1, n), generator.random(n)
    columns = (torch.from_numpy(values)[:, None].float() for values in (levels, shares))
    tones = line(on.astype(float).tolist(), f0_bins.tolist())
    found = steadied(*columns, tones, hop_s=HOP_S, level_s=level_s)[:, 0].numpy()
    for k in range(n):
        total = weight = 0.0
        for m in range(n):
            between = slice(min(k, m), max(k, m) + 1)
            same = on[between].all() and len(set(f0_bins[between])) == 1
            if same and abs(m - k) <= math.floor(REACH * level_s / HOP_S):
                w = (shares[m] + LEAST_SEEN) * math.exp(-0.5 * ((m - k) * HOP_S / level_s) ** 2)
                total, weight = total + w * levels[m] ** 2, weight + w
        mean = math.sqrt(total / weight) if on[k] else levels[k]
        assert found[k] == pytest.approx((mean / levels[k]) ** (1 - shares[k]), rel=1e-3)
