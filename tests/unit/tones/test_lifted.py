import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.tones.lifted import FINE, Lift, floor
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.peaks import Peaks

LIFT = Lift(ObjectiveConfig(), 6 / math.pi)


def peak(place: float, width: float, n_bins: int = 200) -> torch.Tensor:
    bins = torch.arange(n_bins)
    return torch.exp(-0.5 * ((bins - place) / width) ** 2)[None]


def test_a_lifted_peak_is_a_wider_peak() -> None:
    lifted = LIFT.data(0.25 * peak(100.3, LIFT.width_bins) + 0j)
    near = slice(90, 111)  # farther away the offset delta of the lift shows
    torch.testing.assert_close(
        lifted[:, near], 0.5 * peak(100.3, LIFT.lifted_width_bins)[:, near], atol=1e-3, rtol=0
    )


def test_the_matched_filter_on_the_fine_axis_is_the_inner_product_with_a_peak() -> None:
    data = peak(57.0, LIFT.lifted_width_bins) + 0.5 * peak(80.0, 4.0)
    matched = LIFT.matched(data)
    assert matched.shape == (1, 200 * FINE)
    for place in (57 * FINE, 57 * FINE + 1, 79 * FINE + 3):
        expected = (peak(place / FINE, LIFT.lifted_width_bins) * data).sum()
        torch.testing.assert_close(matched[0, place], expected, rtol=1e-3, atol=1e-4)


@given(st.floats(0, 20))
def test_the_inner_product_of_two_peaks_is_a_formula_of_their_distance(distance: float) -> None:
    width = LIFT.lifted_width_bins
    places = torch.tensor([[100.0, 100.0 + distance]], dtype=torch.float64)
    widths = torch.full((1,), width, dtype=torch.float64)
    gram = Peaks.everywhere(places, widths, 250).gram()[0, 0, 1]
    torch.testing.assert_close(LIFT.inner(places[0, 1] - places[0, 0]), gram)


def test_the_floor_of_noise_is_its_quantile_and_peaks_do_not_raise_it() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 2000, generator=generator)
    loud = noise.clone()
    loud[0, 500:510] += 100
    assert floor(noise)[0, 100:-100].mean() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(floor(loud), floor(noise), atol=0.06, rtol=0)


def test_data_are_never_negative() -> None:
    generator = torch.Generator().manual_seed(0)
    spectra = torch.randn(3, 300, generator=generator, dtype=torch.complex64)
    assert float(LIFT.data(spectra).min()) == 0.0
