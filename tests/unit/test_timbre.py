"""Timbre: tables found again from tones that cover each other, and the overlap's closed form."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli import timbre as module
from musisep_cli.timbre import Timbre, Tones, free_harmonics, semitone

N_HARMONICS = 6
WIDTH = 1.91
SEEDS = st.integers(0, 2**20)


def formant(pitch_semitones: Tensor) -> Tensor:
    """Relative amplitudes of an instrument whose body favours what is near 1 kHz, [n, h]."""
    f0_hz = 440 * 2 ** ((pitch_semitones - 69) / 12)
    h = torch.arange(1, N_HARMONICS + 1, dtype=torch.float64)
    relative = torch.exp(-(((f0_hz[:, None] * h - 1000) / 800) ** 2)) + 0.05 / h
    return relative / relative.sum(1, keepdim=True)


def tones(seed: int, n_frames: int) -> Tones:
    """Few pitches at many levels; what is covered, a third of all, holds anything."""
    generator = np.random.default_rng(seed)
    pitch = torch.from_numpy(generator.choice([55.0, 62.0, 67.0, 79.0], n_frames))
    level = torch.from_numpy(10 ** generator.uniform(-2, 0, (n_frames, 1)))
    free = torch.from_numpy((generator.random((n_frames, N_HARMONICS)) < 0.67).astype(float))
    wrong = torch.from_numpy(generator.random((n_frames, N_HARMONICS)))
    amplitudes = level * formant(pitch)
    return Tones(pitch, torch.where(free > 0, amplitudes, wrong), free)


def learned(*played: Tones) -> list[Timbre]:
    """The timbres of instruments that play at the same time."""
    columns = zip(*(vars(of_one).values() for of_one in played), strict=True)
    return Timbre.learn(Tones(*(torch.stack(values, 1) for values in columns)))


def test_what_is_expected_of_covered_harmonics_is_what_they_would_be() -> None:
    played = tones(0, 400)
    [timbre] = learned(played)
    found = timbre.expected(played)
    amplitudes, free, truth = played.amplitudes, played.free, formant(played.pitch_semitones)
    level = (free * amplitudes * truth).sum(1) / (free * truth**2).sum(1)
    heard = free.sum(1) > 0
    error = (found - level[:, None] * truth)[heard] / level[heard, None]
    # Other pitches have a little say: what is left is their difference.
    assert float(error.abs().max()) < 0.05
    assert float(error.abs().mean()) < 0.003


def test_a_pitch_that_is_never_heard_takes_after_those_around_it() -> None:
    pitch = torch.tensor([60.0, 90.0], dtype=torch.float64).repeat(20)
    amplitudes = formant(pitch)
    [timbre] = learned(Tones(pitch, amplitudes, torch.ones_like(amplitudes)))
    rows = timbre.table[semitone(torch.tensor([60.0, 62.0, 88.0, 90.0]))]
    shapes = rows / rows.sum(1, keepdim=True)
    assert_close(shapes[0], shapes[1], atol=0.01, rtol=0)
    assert_close(shapes[3], shapes[2], atol=0.01, rtol=0)
    assert float((shapes[1] - shapes[2]).abs().max()) > 0.1


@given(SEEDS, st.sampled_from([2.0**-7, 2.0**-3, 2.0**10]))
def test_the_level_of_the_recording_does_not_matter(seed: int, level: float) -> None:
    played = tones(seed, 60)
    louder = replace(played, amplitudes=level * played.amplitudes)
    plain, other = (learned(each)[0].expected(each) for each in (played, louder))
    assert_close(other / level, plain, atol=1e-6, rtol=1e-3)


@given(SEEDS, st.integers(0, 30))
def test_rests_and_their_number_do_not_matter(seed: int, n_rests: int) -> None:
    played = tones(seed, 40)
    [plain] = learned(played)
    rests = torch.zeros(n_rests, N_HARMONICS, dtype=torch.float64)
    silent = Tones(rests[:, 0] + 21, rests, rests + 1)
    both = {name: torch.cat([x, getattr(silent, name)]) for name, x in vars(played).items()}
    [with_rests] = learned(Tones(**both))
    assert_close(with_rests.table, plain.table, atol=1e-9, rtol=1e-6)
    expected = with_rests.expected(silent)
    assert_close(expected, rests, atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_instrument_that_never_plays_expects_nothing_and_nothing_infinite(
    dtype: torch.dtype,
) -> None:
    blank = torch.zeros(5, N_HARMONICS, dtype=dtype)
    pitch = torch.tensor([-50.0, 12.0, 69.0, 131.0, 500.0], dtype=dtype)
    silent = Tones(pitch, blank, blank + 1)
    [timbre] = learned(silent)
    assert_close(timbre.expected(silent), blank, atol=0, rtol=0)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_neither_blocks_nor_other_instruments_change_what_is_learned(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tones(0, 50), tones(1, 50)
    alone = [learned(each)[0].table for each in (first, second)]
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", at_once)
    for timbre, table in zip(learned(first, second), alone, strict=True):
        assert_close(timbre.table, table, atol=0, rtol=0)


# Overlap


@given(SEEDS, st.integers(1, 4))
def test_a_harmonic_is_free_as_far_as_no_other_tone_s_is_near(
    seed: int, n_instruments: int
) -> None:
    generator = np.random.default_rng(seed)
    positions = generator.uniform(10, 60, (2, n_instruments, 3))
    on = (generator.random((2, n_instruments)) < 0.7).astype(float)
    found = free_harmonics(torch.from_numpy(positions), torch.from_numpy(on), WIDTH)
    for n in range(2):
        for i in range(n_instruments):
            for h in range(3):
                expected = 1.0
                for j in range(n_instruments):
                    if j != i and on[n, j]:
                        nearest = min(abs(positions[n, j] - positions[n, i, h]))
                        expected *= 1 - math.exp(-(nearest**2) / (4 * WIDTH**2))
                assert float(found[n, i, h]) == pytest.approx(expected, abs=1e-5)


def test_the_overlap_is_that_of_the_peaks() -> None:
    # <g, g'> / <g, g> of two Gaussians, summed over bins.
    bins = np.arange(200)
    for distance in (0.5, 2.0, 5.0):
        g, other = (np.exp(-((bins - m) ** 2) / (2 * WIDTH**2)) for m in (100.2, 100.2 + distance))
        positions = torch.tensor([[[100.2], [100.2 + distance]]], dtype=torch.float64)
        [[found], _] = free_harmonics(positions, torch.ones(1, 2), WIDTH)[0].tolist()
        assert found == pytest.approx(1 - g @ other / (g @ g), abs=1e-5)
