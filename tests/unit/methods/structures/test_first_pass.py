import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.structures.first_pass import (
    Candidates,
    FirstPassConfig,
    PitchSets,
    first_pass,
)
from musisep_cli.methods.structures.pitch_likelihood import LikelihoodConfig, weights
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks
from tests.unit.methods.structures.made import make_frame, peaks_at

FRAME, CONFIG, LIKELIHOOD = make_frame(), FirstPassConfig(), LikelihoodConfig()


def found_in(peaks: SpectralPeaks, n_instruments: int) -> PitchSets:
    tried = Candidates.of(peaks, FRAME, CONFIG, LIKELIHOOD)
    weight = weights(peaks, 50.0, LIKELIHOOD)
    return first_pass(tried, peaks, weight, n_instruments, CONFIG, LIKELIHOOD)


def harmonics(f0_bins: float, n_harmonics: int) -> list[float]:
    return [f0_bins * h for h in range(1, n_harmonics + 1)]


@given(f0_bins=st.floats(20, 300), n_harmonics=st.integers(5, 15))
def test_the_harmonics_of_one_pitch_are_one_tone(f0_bins: float, n_harmonics: int) -> None:
    found = found_in(peaks_at([harmonics(f0_bins, n_harmonics)]), 3)
    assert found.count.tolist() == [1]
    np.testing.assert_allclose(found.f0_bins[0, 0], f0_bins, rtol=1e-9)


@given(f0_bins=st.floats(30, 150), semitones=st.sampled_from((3, 4, 5, 7, 8, 9, 10)))
def test_two_tones_are_two(f0_bins: float, semitones: int) -> None:
    other = f0_bins * 2 ** (semitones / 12)
    found = found_in(peaks_at([harmonics(f0_bins, 8) + harmonics(other, 8)]), 2)
    assert found.count.tolist() == [2]
    np.testing.assert_allclose(np.sort(found.f0_bins[0]), [f0_bins, other], rtol=1e-3)


def test_scaling_all_frequencies_scales_the_pitches() -> None:
    rows = harmonics(40, 8) + harmonics(51.3, 8)
    once, twice = (found_in(peaks_at([[s * f for f in rows]]), 2) for s in (1, 2))
    np.testing.assert_allclose(twice.f0_bins, 2 * once.f0_bins, rtol=1e-6)
    np.testing.assert_allclose(twice.bic, once.bic, rtol=1e-5)


def test_rumble_is_not_the_fundamental_of_everything() -> None:
    rows = [*harmonics(100, 10), 25.1]
    levels = [0.0] * 10 + [-45.0]
    found = found_in(peaks_at([rows], [levels]), 1)
    np.testing.assert_allclose(found.f0_bins, [[100]], rtol=1e-6)


def test_a_frame_without_peaks_is_silent() -> None:
    peaks = peaks_at([harmonics(100, 5), []])
    found = found_in(peaks, 2)
    assert found.count.tolist() == [1, 0]
    assert not found.on[1].any()


def test_only_one_candidate_is_one_tone() -> None:
    assert found_in(peaks_at([[100.0]]), 3).count.tolist() == [1]


@pytest.mark.parametrize("f0_hz", [50.0, 4200.0])
def test_pitches_outside_of_the_range_are_not_tried(f0_hz: float) -> None:
    assert found_in(peaks_at([[f0_hz / FRAME.bin_hz]]), 1).count.tolist() == [0]


def test_each_peak_is_moved_to_where_it_explains_most() -> None:
    # A fundamental that is 0.3 semitones flat of what nine harmonics say.
    rows = [100 * 2 ** (-0.3 / 12), *harmonics(100, 10)[1:]]
    peaks = peaks_at([rows])
    tried = Candidates.of(peaks, FRAME, CONFIG, LIKELIHOOD)
    each = tried.one_per_peak(weights(peaks, 50.0, LIKELIHOOD), CONFIG.moves.size)
    assert each.f0_bins.shape == (1, 10)
    np.testing.assert_allclose(each.f0_bins[0, 0], 100, rtol=1e-9)
