"""Timbre: levels and tables found again from tones that cover each other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.tones.compiled_timbre import BACKGROUND, TINY
from musisep_cli.tones.timbre import (
    LEAST_RELATIVE,
    LOWEST_SEMITONE,
    MISFIT_UPDATES,
    N_SEMITONES,
    Comb,
    Timbres,
)
from musisep_cli.tones.tones import Tones

N_HARMONICS, N_BINS = 6, 600
WIDTH = 1.91
BIN_HZ = 8.0
SEEDS = st.integers(0, 2**20)
INSTRUMENTS = torch.tensor([0, 1])


def bodies(semitones: Tensor) -> Tensor:
    """Relative amplitudes of two instruments, [i, n, h]: one favours what is near 1 kHz."""
    f0_hz = 440 * 2 ** ((semitones - 69) / 12)
    h = torch.arange(1, N_HARMONICS + 1, dtype=torch.float64)
    formant = torch.exp(-(((f0_hz[:, None] * h - 1000) / 800) ** 2)) + 0.05 / h
    odd = torch.where(h % 2 == 1, 1 / h, 0.02).expand_as(formant)
    both = torch.stack([formant, odd])
    return both / both.amax(2, keepdim=True)


def bins(semitones: Tensor) -> Tensor:
    return 440 * 2 ** ((semitones - 69) / 12) / BIN_HZ


def scene(seed: int, n_frames: int, first: list[float], second: list[float]) -> tuple[Comb, Tensor]:
    """Two instruments at random ones of their pitches; and their harmonics, [n, t, h]."""
    generator = np.random.default_rng(seed)
    semitones = torch.from_numpy(
        np.stack([generator.choice(pitches, n_frames) for pitches in (first, second)], 1)
    )
    levels = torch.from_numpy(10 ** generator.uniform(-1.5, 0, (n_frames, 2)))
    each = [bodies(semitones[:, i])[i] for i in range(2)]
    harmonics = levels[..., None] * torch.stack(each, 1)
    return comb_of(semitones, torch.ones_like(semitones), harmonics), harmonics


def comb_of(semitones: Tensor, on: Tensor, harmonics: Tensor) -> Comb:
    """Frames in which magnitudes add up."""
    grid = torch.arange(N_BINS, dtype=torch.float64)
    f0_bins = bins(semitones)
    positions = f0_bins[..., None] * torch.arange(1, N_HARMONICS + 1)
    g = torch.exp(-0.5 * ((grid - positions[..., None]) / WIDTH) ** 2)  # n, t, h, f
    spectra = ((on[..., None] * harmonics)[..., None] * g).sum((1, 2))
    pitches = Tones(on, f0_bins, torch.zeros_like(f0_bins))
    return Comb.of(
        pitches,
        INSTRUMENTS[: on.shape[1]],
        semitones,
        spectra.to(torch.complex128),
        n_harmonics=N_HARMONICS,
        width=WIDTH,
    )


def known() -> Timbres:
    """The true tables."""
    rows = torch.arange(N_SEMITONES, dtype=torch.float64) + LOWEST_SEMITONE
    return Timbres(bodies(rows))


def start(comb: Comb) -> Tensor:
    return comb.strength.amax(1, keepdim=True).repeat(1, comb.semitones.shape[1])


def background_of(comb: Comb) -> Tensor:
    """Magnitude that is added to data and model alike, [n, 1]."""
    return (BACKGROUND * comb.strength.amax(1, keepdim=True)).clamp_min(TINY)


def divergence(timbres: Timbres, comb: Comb, level: Tensor) -> NDArray[np.float64]:
    """Kullback-Leibler divergence of every frame, in loops over the model's definition."""
    n_frames, n_places = comb.strength.shape
    total = np.zeros(n_frames)
    for n in range(n_frames):
        background = float(background_of(comb)[n, 0])
        for j in range(n_places):
            model = background
            for t, instrument in enumerate(comb.instruments.tolist()):
                row = timbres.table[instrument, int(comb.semitones[n, t])]
                relative = float(row[int(comb.nearest[n, t, j])])
                model += float(level[n, t]) * relative * float(comb.overlap[n, t, j])
            seen = float(comb.strength[n, j]) + background
            total[n] += seen * np.log(seen / model) - seen + model
    return total


# Combs


@given(SEEDS, st.integers(1, 3))
def test_a_comb_is_the_spectrum_at_the_harmonics_and_the_peaks_nearest(
    seed: int, n_tones: int
) -> None:
    generator = np.random.default_rng(seed)
    f0_bins = generator.uniform(20, 90, (2, n_tones))
    on = (generator.random((2, n_tones)) < 0.7).astype(float)
    spectra = generator.normal(size=(2, 200)) + 1j * generator.normal(size=(2, 200))
    comb = Comb.of(
        Tones(*(torch.from_numpy(x) for x in (on, f0_bins, 1e-4 * on))),
        torch.zeros(n_tones, dtype=torch.long),
        torch.full((2, n_tones), 60.0),
        torch.from_numpy(spectra),
        n_harmonics=N_HARMONICS,
        width=WIDTH,
    )
    h = np.arange(1, N_HARMONICS + 1)
    positions = f0_bins[..., None] * h * np.sqrt(1 + (1e-4 * on)[..., None] * h**2)
    for n in range(2):
        for t in range(n_tones):
            for k in range(N_HARMONICS):
                j, place = t * N_HARMONICS + k, positions[n, t, k]
                inside = bool(on[n, t]) and place <= 199
                expected = np.interp(place, np.arange(200), abs(spectra[n])) if inside else 0
                assert float(comb.strength[n, j]) == pytest.approx(expected, rel=1e-9, abs=1e-12)
                for other in range(n_tones):
                    distances = abs(positions[n, other] - place)
                    nearest = int(distances.argmin())
                    heard = inside and on[n, other] and positions[n, other, nearest] <= 199
                    peak = np.exp(-0.5 * (distances[nearest] / WIDTH) ** 2) if heard else 0
                    assert float(comb.overlap[n, other, j]) == pytest.approx(peak, abs=1e-9)
                    if peak > 1e-6:
                        assert int(comb.nearest[n, other, j]) == nearest


# Levels


def test_levels_are_found_again_also_where_harmonics_are_shared() -> None:
    comb, harmonics = scene(0, 60, [67.0, 72.0], [55.0, 60.0])  # a twelfth, an octave, ...
    levels = known().levels(comb, start(comb), 300)
    assert_close(levels, harmonics.amax(2), rtol=0.05, atol=2e-3)  # lines between bins
    expected = known().expected(comb)
    error = (expected - harmonics).abs().amax((1, 2)) / harmonics.amax((1, 2))
    assert float(error.median()) < 0.05


@given(SEEDS)
def test_no_update_of_the_levels_makes_the_divergence_larger(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    comb, _ = scene(seed, 2, [61.3, 66.0], [54.0, 59.9])
    comb = replace(comb, strength=torch.rand(comb.strength.shape, generator=generator).double())
    before = start(comb)
    for n_updates in (1, 1, 5):
        after = known().levels(comb, before, n_updates)
        assert (divergence(known(), comb, after) <= divergence(known(), comb, before) + 1e-9).all()
        before = after


@given(SEEDS, st.sampled_from([2.0**-7, 2.0**-3, 2.0**10]))
def test_the_level_of_the_recording_does_not_matter(seed: int, level: float) -> None:
    comb, _ = scene(seed, 10, [67.0, 72.0], [55.0, 60.0])
    louder = replace(comb, strength=level * comb.strength)
    dictionary = torch.rand(N_HARMONICS, 2, generator=torch.Generator().manual_seed(1)).double()
    plain, other = (Timbres.learn(dictionary, [c]).expected(c) for c in (comb, louder))
    assert_close(other / level, plain, atol=1e-9, rtol=1e-6)


def test_the_misfit_is_the_divergence_of_what_is_there_from_the_best_levels() -> None:
    comb, _ = scene(4, 5, [67.0, 72.0], [55.0, 60.0])
    misfit = known().misfit(comb)
    level = known().levels(comb, start(comb), MISFIT_UPDATES)
    total = (comb.strength + background_of(comb)).sum(1).numpy()
    assert_allclose(misfit.numpy(), divergence(known(), comb, level) / total, rtol=1e-9)
    swapped = replace(comb, instruments=comb.instruments.flip(0))
    assert bool((known().misfit(swapped) > 3 * misfit).all())


# Tables


def test_tables_are_learned_from_tones_that_cover_each_other() -> None:
    comb, harmonics = scene(1, 400, [67.0, 72.0, 74.0], [55.0, 60.0, 58.0])
    flat = torch.ones(N_HARMONICS, 2, dtype=torch.float64)
    timbres = Timbres.learn(flat, [comb])
    error = (timbres.expected(comb) - harmonics).abs() / harmonics.amax(2, keepdim=True)
    # Other pitches have a little say: what is left is their difference.
    assert float(error.mean()) < 0.02
    untaught = (Timbres(torch.ones_like(timbres.table)).expected(comb) - harmonics).abs()
    assert float((untaught / harmonics.amax(2, keepdim=True)).mean()) > 0.15


def test_a_pitch_that_is_never_heard_takes_after_those_around_it() -> None:
    comb, _ = scene(2, 60, [60.0, 90.0], [41.0, 43.0])
    table = Timbres.learn(torch.ones(N_HARMONICS, 2, dtype=torch.float64), [comb]).table[0]
    low, near_low, near_high, high = table[torch.tensor([60, 62, 88, 90]) - LOWEST_SEMITONE]
    assert_close(low, near_low, atol=0.02, rtol=0)
    assert_close(high, near_high, atol=0.02, rtol=0)
    assert float((near_low - near_high).abs().max()) > 0.1


def test_blocks_and_rests_and_their_number_do_not_matter() -> None:
    comb, _ = scene(3, 40, [67.0, 72.0], [55.0, 60.0])
    flat = torch.ones(N_HARMONICS, 2, dtype=torch.float64)
    plain = Timbres.learn(flat, [comb])
    parts = [
        Comb(comb.instruments, *(getattr(comb, name)[rows] for name in ROWS))
        for rows in (slice(0, 7), slice(7, 40))
    ]
    semitones = torch.tensor([[60.0, 47.0]] * 9, dtype=torch.float64)
    rests = comb_of(semitones, torch.zeros_like(semitones), torch.ones(9, 2, N_HARMONICS))
    timbres = Timbres.learn(flat, [*parts, rests])
    assert_close(timbres.table, plain.table, atol=1e-9, rtol=1e-6)
    assert_close(timbres.expected(rests), torch.zeros(9, 2, N_HARMONICS).double(), atol=0, rtol=0)


ROWS = ("semitones", "strength", "nearest", "overlap")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_instrument_that_never_plays_keeps_its_dictionary_and_expects_nothing(
    dtype: torch.dtype,
) -> None:
    semitones = torch.tensor([[60.0, -50.0], [64.0, 500.0]], dtype=dtype)
    on = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=dtype)
    spectra = torch.ones(2, N_BINS, dtype=dtype)
    comb = Comb.of(
        Tones(on, bins(semitones), torch.zeros_like(on)),
        INSTRUMENTS,
        semitones,
        torch.complex(spectra, spectra),
        n_harmonics=N_HARMONICS,
        width=WIDTH,
    )
    dictionary = torch.rand(N_HARMONICS, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    timbres = Timbres.learn(dictionary, [comb])
    kept = dictionary[:, 1].clamp_min(LEAST_RELATIVE).expand(N_SEMITONES, -1)
    assert_close(timbres.table[1], kept, atol=0, rtol=0)
    assert bool(torch.isfinite(timbres.table).all())
    assert_close(timbres.expected(comb)[:, 1], torch.zeros(2, N_HARMONICS, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_expects_nothing_and_nothing_infinite(dtype: torch.dtype) -> None:
    semitones = torch.tensor([[60.0, 55.0]], dtype=dtype)
    silent = comb_of(semitones, torch.ones_like(semitones), torch.zeros(1, 2, N_HARMONICS))
    timbres = Timbres.learn(torch.ones(N_HARMONICS, 2, dtype=torch.float64), [silent])
    assert bool(torch.isfinite(timbres.table).all())
    assert_close(
        timbres.expected(silent), torch.zeros(1, 2, N_HARMONICS).double(), atol=1e-9, rtol=0
    )
