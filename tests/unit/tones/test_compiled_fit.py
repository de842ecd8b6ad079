"""Compiled fit: the same as by operations on all sets at once, in every corner."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leafwise
from musisep_cli.players.hypotheses import SetFit
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.peaks import harmonic_positions
from musisep_cli.tones.tones import Tones

N_BINS, N_HARMONICS = 300, 6
SEEDS = st.integers(0, 2**20)


def fit_of(*, width: float = 1.91, exponent: float = 0.5, refined: bool = False) -> SetFit:
    return SetFit(
        n_harmonics=N_HARMONICS,
        width_bins=width,
        objective=ObjectiveConfig(lift_exponent=exponent, lift_offset=1e-3),
        refined_pitch=refined,
    )


def random_sets(seed: int, n_tones: int) -> tuple[Tones, Tensor]:
    """Tones of three sets in two frames, from below the lowest bin to beyond the last; channels."""
    generator = np.random.default_rng(seed)
    shape = (2, 3, n_tones)
    f0_bins = generator.uniform(0.5, 1.1 * N_BINS, shape)
    f0_bins[:, 0] = generator.uniform(10, 60, (2, n_tones))
    tones = Tones(
        torch.from_numpy(generator.random(shape) < 0.8),
        torch.from_numpy(f0_bins).float(),
        torch.from_numpy(generator.uniform(0, 1e-3, shape)).float(),
    )
    parts = generator.normal(size=(2, 2, N_BINS, 2))
    return tones, torch.view_as_complex(torch.from_numpy(parts).float())


def by_operations(fit: SetFit, tones: Tones, channels: Tensor) -> tuple[Tensor, ...]:
    """The fit of all sets at once in float64, where nothing is compiled."""
    exact = leafwise(lambda x: x if x.dtype == torch.bool else x.double(), tones)
    found = fit._by_operations(exact, channels.to(torch.complex128))
    return tuple(values.float() for values in found)


@given(
    SEEDS, st.integers(1, 4), st.sampled_from([0.6, 1.91, 3.0]), st.sampled_from([0.5, 0.7, 1.0])
)
def test_fits_are_those_by_operations(
    seed: int, n_tones: int, width: float, exponent: float
) -> None:
    tones, channels = random_sets(seed, n_tones)
    fit = fit_of(width=width, exponent=exponent)
    found, expected = fit._compiled(tones, channels), by_operations(fit, tones, channels)
    assert_close(found[0], expected[0], atol=0, rtol=0)
    for values, others in zip(found[1:3], expected[1:3], strict=True):
        # Off tones are 0 here and there; else |c| is never below the root that keeps it smooth.
        assert_close(values, others, atol=1e-3 * float(others.max()), rtol=1e-3)
    assert_close(found[3], expected[3], atol=1e-4, rtol=1e-4)


@given(SEEDS, st.integers(1, 3))
def test_pitches_are_refined_as_by_operations(seed: int, n_tones: int) -> None:
    """The best of 31 pitches may differ by rounding alone, where two are equally good."""
    tones, channels = random_sets(seed, n_tones)
    fit = fit_of(refined=True)
    found, expected = fit._compiled(tones, channels), by_operations(fit, tones, channels)
    same = ((found[0] - expected[0]).abs() < 1e-3).all(-1)
    assert float(same.double().mean()) >= 5 / 6
    assert_close(found[3][same], expected[3][same], atol=1e-4, rtol=1e-4)


def test_a_pitch_comes_to_where_its_harmonics_are() -> None:
    places = harmonic_positions(torch.tensor([31.2, 47.7]), torch.zeros(2), N_HARMONICS)
    f = torch.arange(N_BINS)
    spectrum = torch.exp(-0.5 * ((f - places[..., None]) / 1.91).square()).sum((0, 1))
    near = torch.tensor([[[32.3, 46.9]]])
    tones = Tones(torch.ones_like(near).bool(), near, torch.zeros_like(near))
    channels = spectrum.to(torch.complex64)[None, None]
    found, _, _, misfit = fit_of(refined=True)._compiled(tones, channels)
    _, _, _, unrefined = fit_of()._compiled(tones, channels)
    assert_allclose(found[0, 0], [31.2, 47.7], atol=0.35)  # the others are removed where they seem
    assert float(misfit[0, 0]) < 0.3 * float(unrefined[0, 0])


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("f0_bins", [float("nan"), float("inf"), -5.0, 0.0, 1e30])
def test_a_pitch_that_is_none_takes_nothing_and_breaks_nothing(
    f0_bins: float, *, refined: bool
) -> None:
    _, channels = random_sets(1, 1)
    pitches = torch.tensor([[[40.0, f0_bins]]]).expand(2, 1, 2)
    tones = Tones(torch.ones_like(pitches).bool(), pitches, torch.zeros_like(pitches))
    _, amplitudes, _, misfit = fit_of(refined=refined)._compiled(tones, channels)
    assert bool(torch.isfinite(amplitudes).all())
    assert bool(torch.isfinite(misfit).all())
    assert bool((amplitudes[..., 0, :].sum(-1) > 0).all())


def test_tones_in_one_place_share_it() -> None:
    _, channels = random_sets(2, 1)
    pitches = torch.full((2, 1, 3), 41.3)
    tones = Tones(torch.ones_like(pitches).bool(), pitches, torch.zeros_like(pitches))
    _, amplitudes, _, _ = fit_of()._compiled(tones, channels)
    assert_close(amplitudes[..., 0, :], amplitudes[..., 2, :], atol=1e-3, rtol=1e-2)
    alone = Tones(*(leaf[..., :1] for leaf in (tones.on, tones.f0_bins, tones.inharmonicity)))
    _, whole, _, _ = fit_of()._compiled(alone, channels)
    assert_close(amplitudes.sum(-2), whole[..., 0, :], atol=5e-3, rtol=2e-2)


def test_without_tones_nothing_is_explained() -> None:
    _, channels = random_sets(3, 1)
    off = torch.zeros(2, 1, 2)
    _, amplitudes, loudness, misfit = fit_of()._compiled(Tones(off.bool(), off, off), channels)
    assert float(amplitudes.abs().max()) == float(loudness.abs().max()) == 0
    assert_close(misfit, torch.ones(2, 1))
