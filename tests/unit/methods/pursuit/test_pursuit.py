import numpy as np
import pytest

from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, N_BINS
from musisep_cli.methods.pursuit.pursuit import prune, pursue_frames
from tests.unit.methods.pursuit.problems import plain_spectrum, some_atoms

FIT = (20, 1e-3)
"""Steps and tolerance of a fit, as in the preset."""


@pytest.fixture(scope="module")
def columns() -> np.ndarray:
    return some_atoms(np.random.default_rng(0), 2)


def planted(columns: np.ndarray, *tones: tuple[float, float, int]) -> np.ndarray:
    """A spectrum of tones (height, place, atom)."""
    rows = np.array([[a, k, LINE_WIDTH, 0.0] for a, k, _ in tones])
    return plain_spectrum(rows, np.array([i for *_, i in tones]), columns)


def pursued(spectra: np.ndarray, columns: np.ndarray, n_kept: int = 1) -> tuple:
    return pursue_frames(spectra.astype(np.float32), columns, n_kept, 0.9, *FIT)


def test_two_planted_tones_are_found_and_given_to_their_atoms(columns: np.ndarray) -> None:
    spectrum = planted(columns, (0.5, 200.4, 0), (0.3, 310.8, 1))
    tones, fits = pursued(spectrum[None], columns)
    np.testing.assert_allclose(tones[0, :, 0, 0], [0.5, 0.3], rtol=0.02)
    np.testing.assert_allclose(tones[0, :, 0, 1], [200.4, 310.8], atol=0.05)
    assert fits[0, 0] < 1e-3 * fits[0, 1]


def test_an_instrument_may_play_two_tones(columns: np.ndarray) -> None:
    spectrum = planted(columns, (0.5, 200.4, 0), (0.4, 310.8, 0), (0.3, 262.3, 1))
    tones, _ = pursued(spectrum[None], columns, n_kept=2)
    np.testing.assert_allclose(tones[0, 0, :, 1], [200.4, 310.8], atol=0.1)  # the strongest first
    np.testing.assert_allclose(tones[0, 1, 0, 1], 262.3, atol=0.1)


def test_frames_are_pursued_by_themselves(columns: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    spectra = np.stack(
        [
            planted(columns, (a, k, 0), (1 - a, k + 61.3, 1))
            for a, k in zip(
                generator.uniform(0.2, 0.8, 6), generator.uniform(100, 400, 6), strict=True
            )
        ]
    )
    tones, fits = pursued(spectra, columns)
    order = generator.permutation(6)
    np.testing.assert_array_equal(pursued(spectra[order], columns)[0], tones[order])
    parts = [pursued(spectra[n : n + 2], columns) for n in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), tones)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), fits)


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_a_gain_changes_the_heights_alone(columns: np.ndarray, gain: float) -> None:
    spectrum = planted(columns, (0.5, 200.4, 0), (0.3, 310.8, 1))[None]
    tones, _ = pursued(spectrum, columns)
    louder, _ = pursued(gain * spectrum, columns)
    np.testing.assert_allclose(louder[..., 0], gain * tones[..., 0], rtol=1e-2)
    np.testing.assert_allclose(louder[..., 1], tones[..., 1], atol=0.02)


@pytest.mark.parametrize("spectrum", [np.zeros(N_BINS), np.eye(N_BINS)[500], np.ones(N_BINS)])
def test_silence_a_click_and_noise_are_finite(columns: np.ndarray, spectrum: np.ndarray) -> None:
    tones, fits = pursued(spectrum[None], columns)
    assert np.isfinite(tones).all()
    assert np.isfinite(fits).all()
    if not spectrum.any():
        assert not tones.any()


def test_a_round_that_gains_too_little_is_undone_to_the_bit(columns: np.ndarray) -> None:
    # The weak tone holds less than 19 % of the lifted residual's energy.
    spectra = planted(columns, (1.0, 200.4, 0), (1e-4, 310.8, 1))[None].astype(np.float32)
    strict, _ = pursue_frames(spectra, columns, 1, 0.5, *FIT)
    stricter, _ = pursue_frames(spectra, columns, 1, 0.45, *FIT)
    assert strict[0, 0, 0, 0] > 0
    np.testing.assert_array_equal(stricter, strict)


def test_pruning_keeps_the_largest_of_every_atom() -> None:
    tones = np.array([[0.1, 1, 1, 0], [0.5, 2, 1, 0], [0.3, 3, 1, 0], [0.5, 4, 1, 0]], float)
    atoms = np.array([0, 0, 1, 0])
    n_left = prune(tones, atoms, 4, 1)
    assert tones[:n_left, 1].tolist() == [2, 3]
    assert atoms[:n_left].tolist() == [0, 1]
    tones = np.array([[0.1, 1, 1, 0], [0.5, 2, 1, 0], [0.3, 3, 1, 0], [0.5, 4, 1, 0]], float)
    assert prune(tones, np.array([0, 0, 1, 0]), 4, 2) == 3
    assert tones[:3, 1].tolist() == [2, 3, 4]
