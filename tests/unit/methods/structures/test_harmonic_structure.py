import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.structures.harmonic_structure import (
    Structures,
    energy_db,
    nearest_peaks,
)
from tests.unit.methods.structures.made import peaks_at

LEVELS = [0.0, -6.0, -9.0, -20.0, -30.0, -31.0]


def structures_at(f0_bins: float, levels: list[float], gain_db: float = 0.0) -> Structures:
    rows = [f0_bins * h for h in range(1, len(levels) + 1)]
    peaks = peaks_at([rows], [[level + gain_db for level in levels]])
    return Structures.of(peaks, np.array([[f0_bins]]), np.array([[True]]))


@given(gain_db=st.floats(-60, 60), f0_bins=st.floats(20, 300))
def test_a_structure_knows_neither_loudness_nor_pitch(gain_db: float, f0_bins: float) -> None:
    one, other = structures_at(100, LEVELS), structures_at(f0_bins, LEVELS, gain_db)
    np.testing.assert_allclose(other.level_db, one.level_db, atol=1e-9)
    np.testing.assert_allclose(other.energy_db - one.energy_db, gain_db, atol=1e-9)


def test_its_energy_is_100_db_and_what_is_not_seen_is_0() -> None:
    found = structures_at(100, LEVELS)
    np.testing.assert_allclose(energy_db(found.level_db, found.seen), 100)
    assert found.seen[0].tolist() == [True] * 6 + [False] * 14
    np.testing.assert_array_equal(found.level_db[0, 6:], 0)


def test_a_tone_with_two_harmonics_says_too_little() -> None:
    assert len(structures_at(100, LEVELS[:2])) == 0
    assert len(structures_at(100, LEVELS[:3])) == 1


def test_the_nearest_peak_is_the_harmonic() -> None:
    peaks = peaks_at([[100.0, 197.0, 201.0, 310.0]])
    seen, peak = nearest_peaks(peaks, np.array([[100.0]]))
    assert seen[0, 0, :4].tolist() == [True, True, False, False]  # 310 is 3.3 % off
    assert peak[0, 0, :2].tolist() == [0, 2]


def test_a_rest_has_no_harmonics() -> None:
    seen, _ = nearest_peaks(peaks_at([[100.0]]), np.array([[0.0, 100.0]]))
    assert seen.any(-1).tolist() == [[False, True]]
