import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.lifted import Lift
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.peaks import Peaks, harmonic_positions

LIFT = Lift(ObjectiveConfig(), 6 / math.pi)
N_BINS, N_HARMONICS = 2048, 16


def grid(*decays: float) -> PitchGrid:
    """Atoms of the dictionary r^(h - 1), one column for every r."""
    h = torch.arange(N_HARMONICS)[:, None]
    heights = LIFT.relative_heights(torch.tensor(decays) ** h)
    return PitchGrid(LIFT, heights, N_BINS, 10.0, 700.0)


def atom(pitches: PitchGrid, pitch_bins: float, instrument: int = 0) -> Tensor:
    """The unit atom [f], drawn."""
    positions = harmonic_positions(torch.tensor(pitch_bins), torch.tensor(0.0), N_HARMONICS)
    width = torch.tensor(LIFT.lifted_width_bins)
    peaks = Peaks.everywhere(positions, width, N_BINS).values
    drawn = pitches.heights[:, instrument] @ peaks
    return drawn / drawn.norm()


def certificate(pitches: PitchGrid, data: Tensor) -> Tensor:
    return pitches.certificate(LIFT.matched(data[None]))[0]


def at(pitches: PitchGrid, pitch_bins: float) -> int:
    return int((pitches.pitches_bins - pitch_bins).abs().argmin())


@pytest.mark.parametrize("pitch_bins", [10.0, 10.25, 64.5, 333.75, 600.0])
def test_of_a_unit_atom_it_is_one_at_its_place_and_no_greater_elsewhere(pitch_bins: float) -> None:
    pitches = grid(0.5, 0.25)
    found = certificate(pitches, atom(pitches, pitch_bins, 1))
    assert float(found[1, at(pitches, pitch_bins)]) == pytest.approx(1, abs=2e-3)
    assert found.max() == found[1, at(pitches, pitch_bins)]  # Cauchy and Schwarz


def test_it_is_the_inner_product_with_the_atom_at_every_pitch() -> None:
    pitches = grid(0.6)
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(N_BINS, generator=generator)
    found = certificate(pitches, data)[0]
    for pitch_bins in (12.0, 77.25, 541.0, 699.0):
        expected = atom(pitches, pitch_bins) @ data
        torch.testing.assert_close(found[at(pitches, pitch_bins)], expected, rtol=2e-3, atol=0)


def test_pitches_are_quarters_of_a_bin_and_halves_high_up() -> None:
    steps = grid(0.5).pitches_bins.diff()
    below = grid(0.5).pitches_bins[:-1] < 539.9
    assert steps[below].unique().tolist() == [0.25]
    assert steps[~below].unique().tolist() == [0.5]


def test_columns_of_one_pitch_have_the_coherence_of_the_formula() -> None:
    pitches = grid(0.5, 0.25)
    found = certificate(pitches, atom(pitches, 200.0, 0))
    assert float(found[1, at(pitches, 200.0)]) == pytest.approx(0.947, abs=2e-3)


def test_octaves_have_the_coherence_of_the_formula() -> None:
    pitches = grid(0.5)
    found = certificate(pitches, atom(pitches, 100.0))
    # With r' = sqrt(0.5): r' (1 - r'^2) / (1 - r'^3); the last of 16 harmonics is 0.5 %.
    assert float(found[0, at(pitches, 200.0)]) == pytest.approx(0.547, abs=3e-3)


def test_its_curvature_at_a_tone_is_that_of_the_formula() -> None:
    pitches = grid(0.5)
    found = certificate(pitches, atom(pitches, 300.0)).to(torch.float64)[0]
    here = at(pitches, 300.0)
    curvature = float(found[here - 1] - 2 * found[here] + found[here + 1]) / 0.25**2
    weights = pitches.heights[:6, 0].square()  # the seventh harmonic is above the last bin
    h = torch.arange(1, 7)
    expected = -(weights * h**2).sum() / (2 * LIFT.lifted_width_bins**2 * weights.sum())
    # The second difference over 0.25 bins is less than the derivative.
    assert curvature == pytest.approx(float(expected), rel=0.05)


@given(st.floats(0.1, 1e3))
def test_it_is_linear_in_scale(scale: float) -> None:
    pitches = grid(0.5)
    data = atom(pitches, 55.0) + atom(pitches, 80.0)
    torch.testing.assert_close(
        certificate(pitches, scale * data), scale * certificate(pitches, data), rtol=1e-4, atol=1e-4
    )


def test_a_spectrum_too_short_for_the_highest_pitch_has_fewer_pitches() -> None:
    short = PitchGrid(LIFT, grid(0.5).heights, 128, 10.0, 700.0)
    assert float(short.pitches_bins[-1]) == 127.0
    assert short.certificate(LIFT.matched(torch.ones(2, 128))).shape == (2, 1, 469)
