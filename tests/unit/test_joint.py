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

from musisep_cli.model.tones import harmonic_positions
from musisep_cli.policy.joint import joint_coefficients, joint_peaks
from tests import dense

N_BINS, N_HARMONICS = 160, 4
WIDTH = 1.91
MAX_F0_BINS = 34.0
"""Four harmonics of it, and the reach of the last one, stay inside the spectrum."""
SEEDS = st.integers(0, 2**20)


def random_tones(seed: int, n_frames: int, n_tones: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pitches, inharmonicities and presence, [n, i]; some of the pitches close together."""
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
    f0_bins: Tensor,
    inharmonicity: Tensor,
    on: Tensor,
    spectra: Tensor,
    tikhonov: float | Tensor,
    n_harmonics: int = N_HARMONICS,
) -> Tensor:
    peaks = joint_peaks(
        f0_bins, inharmonicity, on, n_harmonics=n_harmonics, width=WIDTH, n_bins=N_BINS
    )
    return joint_coefficients(peaks, spectra, n_tones=f0_bins.shape[-1], tikhonov=tikhonov)


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
    peaks = joint_peaks(
        f0_bins, blank, blank + 1, n_harmonics=N_HARMONICS, width=WIDTH, n_bins=N_BINS
    )
    found = fit(f0_bins, blank, blank + 1, peaks.render(c.flatten(1)), 1e-9)
    assert_close(found, c, atol=1e-4, rtol=0)


def test_a_harmonic_that_two_tones_share_goes_where_its_weight_is_least() -> None:
    # The second and fourth harmonic of the lower tone are the first and second of the upper one.
    # With weights s / p_h each gets p_h of what there is: G (c_1 + c_2) + s c_h / p_h is the same
    # for both, and so is c_h / p_h.
    f0_bins = torch.tensor([[20.0, 40.0]], dtype=torch.float64)
    blank = torch.zeros_like(f0_bins)
    on = blank + 1
    power = torch.tensor([[[1.0, 0.9, 0.5, 0.2], [0.1, 0.6, 0.3, 0.3]]], dtype=torch.float64)
    peaks = joint_peaks(f0_bins, blank, on, n_harmonics=4, width=WIDTH, n_bins=N_BINS)
    mixture = peaks.render(torch.ones(1, 8, dtype=torch.complex128))  # 2 at 40 and at 80
    found = fit(f0_bins, blank, on, mixture, (1e-6 / power).flatten(1)).real
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
    found = fit(f0_bins, 0 * on, on, spectra, 1e-2)
    assert bool(torch.isfinite(torch.view_as_real(found)).all())
    assert_close(found[:, 0], found[:, 1], atol=1e-3, rtol=1e-3)  # nothing tells them apart
    assert_close(found[1], torch.zeros_like(found[1]), atol=0, rtol=0)


def test_a_part_of_the_peaks_is_a_tone_of_its_own() -> None:
    f0_bins, inharmonicity, on = random_tones(3, 2, 3)
    on[:] = True
    c = complex_normal(2, 3, N_HARMONICS, seed=3)
    together = joint_peaks(
        f0_bins, inharmonicity, on, n_harmonics=N_HARMONICS, width=WIDTH, n_bins=N_BINS
    )
    parts = [
        together.part(slice(i * N_HARMONICS, (i + 1) * N_HARMONICS)).render(c[:, i])
        for i in range(3)
    ]
    assert_close(sum(parts), together.render(c.flatten(1)))
    alone = harmonic_positions(f0_bins[:, 1], inharmonicity[:, 1], N_HARMONICS)
    for n in range(2):
        g = dense.peaks(alone[n].numpy(), WIDTH, N_BINS)
        assert_allclose(parts[1][n].numpy(), c[n, 1].numpy() @ g, atol=1e-6)
