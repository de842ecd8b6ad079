import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musisep_cli.methods.structures.average_structure import (
    LEAST_HSI_DB,
    Instruments,
    average,
    instruments,
    points,
)
from musisep_cli.methods.structures.detector import evenly_spread, together
from musisep_cli.methods.structures.harmonic_structure import structure
from musisep_cli.methods.structures.nk_clustering import NkConfig
from tests.unit.methods.structures.made import instruments_like, tones_like
from tests.unit.methods.structures.test_k_means import BRIGHT, DARK, duet


def learned(tones: object, n: int, config: NkConfig | None = None) -> Instruments:
    return instruments(tones, n, config or NkConfig(), lambda: None)  # type: ignore[arg-type]


@given(noise_db=st.floats(1.2, 5))
@settings(max_examples=5)
def test_the_mean_is_the_structure_and_the_deviation_the_instability(noise_db: float) -> None:
    # Twenty harmonics alike: what one is off, the energy hardly sees.
    flat = np.zeros(20)
    tones = tones_like(flat, n_tones=4000, noise_db=noise_db)
    level_db, has, instability_db = average(tones)
    expected = structure(flat[None], np.ones((1, 20), bool))[0]
    assert has.all()
    # The energy of harmonics that vary is higher than that of the mean, all by the same.
    np.testing.assert_allclose(level_db - level_db.mean(), expected - expected.mean(), atol=0.4)
    np.testing.assert_allclose(instability_db, noise_db, rtol=0.1)


def test_rare_harmonics_are_not_the_instruments() -> None:
    many, few = tones_like(BRIGHT, n_tones=30), tones_like(np.append(BRIGHT, -9), n_tones=10)
    _, has, _ = average(together([many, few]))
    assert has.tolist() == [True] * 6 + [False] * 14  # the seventh in a quarter only


def test_no_instrument_is_steadier_than_1_db() -> None:
    assert average(tones_like(BRIGHT, n_tones=10))[2] == LEAST_HSI_DB


def test_an_instrument_that_was_never_heard_is_a_sawtooth() -> None:
    level_db, has, _ = average(tones_like(BRIGHT, n_tones=1)[np.arange(0)])
    assert has.all()
    np.testing.assert_allclose(level_db[0] - level_db[1], 20 * np.log10(2))


def test_gaps_lie_50_db_below_the_strongest() -> None:
    found = points(tones_like(BRIGHT, n_tones=1))
    np.testing.assert_allclose(found[0, 0] - found[0, 6:], 50)


@pytest.mark.parametrize("noise_db", [1.0, 3.0])
def test_two_instruments_are_learned_from_a_duet(noise_db: float) -> None:
    tones, truth = duet(60, noise_db)
    pitch = np.where(truth == 0, 200.0, 100.0)
    found = learned(type(tones)(**{**vars(tones), "f0_bins": pitch}), 2)
    shape = found.level_db[:, :6] - found.level_db[:, :1]
    np.testing.assert_allclose(shape, [BRIGHT, DARK], atol=4)


def test_where_nk_fails_k_means_is_taken_and_it_is_known() -> None:
    tones, _ = duet(60, 3.0)
    assert learned(tones, 2).by_nk
    found = learned(tones, 2, NkConfig(most_neighbours=1))
    assert not found.by_nk
    assert found.n_tones.tolist() == [60, 60]


def test_one_instrument_needs_no_clusters() -> None:
    found = learned(tones_like(BRIGHT, n_tones=5), 1)
    assert found.by_nk
    assert found.n_tones.tolist() == [5]


def test_the_dictionary_is_relative_to_the_strongest_harmonic() -> None:
    found = instruments_like([0.5, 1.0, 0.25]).dictionary(25, 1e-3)
    np.testing.assert_allclose(found[:4, 0], [0.5, 1, 0.25, 1e-3])
    assert found.shape == (25, 1)


def test_an_excerpt_keeps_whole_frames() -> None:
    tones, _ = duet(100)
    part = evenly_spread(tones, 50)
    assert len(part) == 50
    _, counts = np.unique(part.frame, return_counts=True)
    assert set(counts) == {2}
    assert part.frame.max() > 90
