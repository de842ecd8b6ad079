"""Joint fit: known tones come back, and every solution is the dense least-squares one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.tones.joint_fit import (
    PITCH_REACH_BINS,
    JointFit,
    matched_filter,
    refined_pitch,
    strongest_pitch,
)
from musisep_cli.tones.peaks import harmonic_positions
from musisep_cli.tones.tones import Tones
from tests import dense

N_BINS, N_HARMONICS = 160, 4
WIDTH = 1.91
MAX_PITCH_ERROR_BINS = 0.1
"""Tones are looked for in steps of 0.1 bin; the nearest is half of one away."""
MAX_F0_BINS = 34.0
"""Four harmonics of it, and the reach of the last one, stay inside the spectrum."""
SEEDS = st.integers(0, 2**20)


def random_tones(seed: int, n_frames: int, n_tones: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tones, inharmonicities and presence, [n, i]; some of the pitches close together."""
    generator = np.random.default_rng(seed)
    f0_bins = generator.uniform(12, MAX_F0_BINS, (n_frames, n_tones))
    f0_bins[::2] = f0_bins[::2, :1] + generator.uniform(-2, 2, (len(f0_bins[::2]), n_tones))
    inharmonicity = generator.choice([0.0, 1e-4, 1e-3], (n_frames, n_tones))
    on = generator.random((n_frames, n_tones)) < 0.7
    return torch.from_numpy(f0_bins), torch.from_numpy(inharmonicity), torch.from_numpy(on)


def complex_normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


def fit(
    f0_bins: Tensor, inharmonicity: Tensor, on: Tensor, spectra: Tensor, tikhonov: float | Tensor
) -> JointFit:
    return JointFit.of(
        Tones(on, f0_bins, inharmonicity),
        spectra,
        n_harmonics=N_HARMONICS,
        width=WIDTH,
        tikhonov=tikhonov,
    )


def mixture(f0_bins: Tensor, coefficients: Tensor) -> Tensor:
    """Spectra [k, f] of harmonic tones at [k, i] with coefficients [k, i, h]."""
    rows = [
        c.flatten().numpy() @ dense_peaks(f0, 0 * f0)
        for f0, c in zip(f0_bins, coefficients, strict=True)
    ]
    return torch.from_numpy(np.stack(rows))


def dense_peaks(f0_bins: Tensor, inharmonicity: Tensor) -> NDArray[np.float64]:
    """Those of all tones of a frame, [i h, f]."""
    tones = zip(f0_bins.tolist(), inharmonicity.tolist(), strict=True)
    return np.concatenate(
        [dense.peaks(dense.positions(*tone, N_HARMONICS), WIDTH, N_BINS) for tone in tones]
    )


@given(SEEDS, st.integers(1, 4), st.booleans())
def test_the_fit_is_the_dense_least_squares_one_and_0_where_a_tone_is_off(
    seed: int, n_tones: int, each_its_own: bool
) -> None:
    f0_bins, inharmonicity, on = random_tones(seed, 3, n_tones)
    spectra = complex_normal(3, N_BINS, seed=seed)
    weights = torch.full((3, n_tones * N_HARMONICS), 1e-2, dtype=torch.float64)
    if each_its_own:
        generator = torch.Generator().manual_seed(seed)
        weights = 10 ** (8 * torch.rand(weights.shape, generator=generator).double() - 2)
    found = fit(f0_bins, inharmonicity, on, spectra, weights if each_its_own else 1e-2)
    found = found.coefficients
    assert found.shape == (3, n_tones, N_HARMONICS)
    for n in range(3):
        sounding = on[n].repeat_interleave(N_HARMONICS).numpy()
        expected = np.zeros(n_tones * N_HARMONICS, complex)
        if sounding.any():
            expected[sounding] = dense.least_squares(
                dense_peaks(f0_bins[n], inharmonicity[n])[sounding],
                spectra[n].numpy(),
                weights[n].numpy()[sounding],
            )
        assert_allclose(found[n].flatten().numpy(), expected, atol=1e-6)
        assert_allclose(found[n][~on[n]].numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("distance_bins", [20.0, 3.0, 2.0])
def test_known_tones_come_back_however_close(distance_bins: float) -> None:
    f0_bins = torch.tensor([[14.3, 14.3 + distance_bins]], dtype=torch.float64)
    blank = torch.zeros_like(f0_bins)
    c = complex_normal(1, 2, N_HARMONICS, seed=0)
    found = fit(f0_bins, blank, blank + 1, mixture(f0_bins, c), 1e-9)
    assert_close(found.coefficients, c, atol=1e-4, rtol=0)


def test_a_harmonic_that_two_tones_share_goes_where_its_weight_is_least() -> None:
    # The second and fourth harmonic of the lower tone are the first and second of the upper one.
    # With weights s / p_h each gets p_h of what there is: G (c_1 + c_2) + s c_h / p_h is the same
    # for both, and so is c_h / p_h.
    f0_bins = torch.tensor([[20.0, 40.0]], dtype=torch.float64)
    blank = torch.zeros_like(f0_bins)
    on = blank + 1
    power = torch.tensor([[[1.0, 0.9, 0.5, 0.2], [0.1, 0.6, 0.3, 0.3]]], dtype=torch.float64)
    spectra = mixture(f0_bins, torch.ones(1, 2, 4, dtype=torch.complex128))  # 2 at 40 and at 80
    found = fit(f0_bins, blank, on, spectra, (1e-6 / power).flatten(1)).coefficients.real
    for lower, upper in ((1, 0), (3, 1)):
        shares = power[0, 0, lower], power[0, 1, upper]
        for tone, harmonic, share in ((0, lower, shares[0]), (1, upper, shares[1])):
            expected = float(2 * share / sum(shares))
            assert float(found[0, tone, harmonic]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_tones_and_silence_stay_finite(dtype: torch.dtype) -> None:
    f0_bins = torch.tensor([[30.0, 30.0], [30.0, 30.0], [1.0, 1.0]], dtype=dtype)
    on = torch.ones_like(f0_bins)
    spectra = complex_normal(3, N_BINS, seed=1).to(
        torch.complex64 if dtype == torch.float32 else torch.complex128
    )
    spectra[1] = 0
    found = fit(f0_bins, 0 * on, on, spectra, 1e-2).coefficients
    assert bool(torch.isfinite(torch.view_as_real(found)).all())
    assert_close(found[:, 0], found[:, 1], atol=1e-3, rtol=1e-3)  # nothing tells them apart
    assert_close(found[1], torch.zeros_like(found[1]), atol=0, rtol=0)


def test_the_spectra_of_the_tones_are_those_of_their_own_harmonics() -> None:
    f0_bins, inharmonicity, on = random_tones(3, 2, 3)
    on[:, 1], on[:, 2] = False, True
    found = fit(f0_bins, inharmonicity, on, complex_normal(2, N_BINS, seed=3), 1e-2)
    assert found.tone_spectra.shape == (2, 3, N_BINS)
    for n in range(2):
        for i in range(3):
            g = dense_peaks(f0_bins[n, i : i + 1], inharmonicity[n, i : i + 1])
            expected = found.coefficients[n, i].numpy() @ g
            assert_allclose(found.tone_spectra[n, i].numpy(), expected, atol=1e-6)
    alone = found.peaks.part(slice(2 * N_HARMONICS, 3 * N_HARMONICS))
    positions = harmonic_positions(f0_bins[:, 2], inharmonicity[:, 2], N_HARMONICS)
    assert_close(alone.positions[on[:, 2]], positions[on[:, 2]])


# Pitch


def tones(amplitudes: list[float], f0_bins: NDArray[np.float64]) -> Tensor:
    """One tone per row with random phases, [k, f]."""
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (len(f0_bins), N_HARMONICS))
    sizes = np.zeros(N_HARMONICS)
    sizes[: len(amplitudes)] = amplitudes
    c = torch.from_numpy(sizes * np.exp(1j * phases))
    return mixture(torch.from_numpy(f0_bins)[:, None], c[:, None])


@pytest.mark.parametrize("amplitudes", [[1.0], [1.0, 0.3, 0.1, 0.03], [0.05, 1.0, 0.02, 0.6]])
def test_a_pitch_is_found_again(amplitudes: list[float]) -> None:
    generator = np.random.default_rng(0)
    truth = generator.uniform(15, MAX_F0_BINS, 60)
    given = truth + generator.uniform(-1.2, 1.2, 60)
    found = strongest_pitch(
        matched_filter(tones(amplitudes, truth), WIDTH).abs(),
        torch.from_numpy(given),
        torch.zeros(60, dtype=torch.float64),
        n_harmonics=N_HARMONICS,
    )
    assert_allclose(found, truth, atol=MAX_PITCH_ERROR_BINS)


def test_the_pitches_of_a_mixture_are_found_again() -> None:
    # The fit at the given pitches takes most of the other tone away.
    generator = np.random.default_rng(1)
    truth = torch.from_numpy(generator.uniform([14, 25], [20, 34], (40, 2)))
    given = truth + torch.from_numpy(generator.uniform(-0.4, 0.4, (40, 2)))
    c = complex_normal(40, 2, N_HARMONICS, seed=1)
    spectra = mixture(truth, c / c.abs() * torch.tensor([1.0, 0.7, 0.5, 0.4]))
    pitches = Tones(torch.ones(40, 2), given, torch.zeros(40, 2, dtype=torch.float64))
    first = fit(given, pitches.inharmonicity, pitches.on, spectra, 1e-2)
    found = refined_pitch(pitches, matched_filter(spectra, WIDTH), first, 1.0)
    before, after = (np.abs((x - truth).numpy()) for x in (given, found))
    assert np.median(after) <= MAX_PITCH_ERROR_BINS
    assert after.mean() < before.mean() / 2


@pytest.mark.parametrize(("given_bins", "lowest_bins", "least"), [(6.0, 5.5, 5.5), (5.0, 5.5, 5.0)])
def test_a_pitch_that_is_refined_again_and_again_stays_above_the_lowest(
    given_bins: float, lowest_bins: float, least: float
) -> None:
    """Rumble below all tones would draw it down, step after step."""
    spectra = complex_normal(1, N_BINS, seed=2) * (torch.arange(N_BINS) < 4)
    matched = matched_filter(spectra, WIDTH)
    f0_bins = torch.full((1, 1), given_bins, dtype=torch.float64)
    for _ in range(5):
        tones = Tones(torch.ones(1, 1), f0_bins, torch.zeros(1, 1, dtype=torch.float64))
        of_tone = fit(f0_bins, tones.inharmonicity, tones.on, spectra, 1e-2)
        f0_bins = refined_pitch(tones, matched, of_tone, lowest_bins)
    assert_allclose(f0_bins, least)


@given(SEEDS)
def test_a_pitch_stays_within_reach_whatever_there_is(seed: int) -> None:
    generator = np.random.default_rng(seed)
    f0_bins = torch.from_numpy(generator.uniform(1, N_BINS, 6))
    spectra = complex_normal(6, N_BINS, seed=seed)
    spectra[0] = 0
    found = strongest_pitch(
        spectra.abs(), f0_bins, torch.zeros(6).double(), n_harmonics=N_HARMONICS
    )
    assert bool(((found - f0_bins).abs() <= PITCH_REACH_BINS + 1e-6).all())
    assert bool((found >= 1).all())


def test_the_strength_of_a_peak_is_the_inner_product_with_it() -> None:
    spectra = complex_normal(2, 90, seed=0)
    g = dense.peaks(np.arange(90.0), WIDTH, 90)
    expected = np.abs(spectra.numpy() @ g.T)
    assert_allclose(matched_filter(spectra, WIDTH).abs(), expected, atol=0.02)  # cut at 4 widths


def test_tones_pass_the_filter_in_closed_form() -> None:
    f0_bins = torch.tensor([[21.3, 30.1]], dtype=torch.float64)
    c = complex_normal(1, 2, N_HARMONICS, seed=2)
    tone_fit = fit(f0_bins, torch.zeros_like(f0_bins), torch.ones(1, 2), mixture(f0_bins, c), 1e-6)
    expected = torch.stack(
        [matched_filter(tone_fit.tone_spectra[:, i], WIDTH) for i in range(2)], 1
    )
    assert_close(tone_fit.matched_spectra(), expected, atol=2e-3, rtol=0)
