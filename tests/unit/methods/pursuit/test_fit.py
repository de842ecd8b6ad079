"""The batched fit against SciPy's L-BFGS-B, which the authors use."""

import numpy as np
import pytest
from scipy.optimize import minimize

from musisep_cli.methods.pursuit.fit import DELTA, bounds, lifted_distance, refine
from musisep_cli.methods.pursuit.log_axis import N_BINS
from musisep_cli.methods.pursuit.tone import draw_derivatives, log_spectrum
from tests.unit.methods.pursuit.problems import Array, some_atoms, some_tones

N_PROBLEMS = 100
ALLOWED = 1e-3
"""By so much of SciPy's objective ours may lie above it."""


def objective(flat: Array, lifted: Array, atoms: Array, columns: Array) -> tuple[float, Array]:
    """(P2) and its gradient by (P4)."""
    tones = flat.reshape(-1, 4)
    spectrum = log_spectrum(tones, atoms, columns, N_BINS)
    rho = np.sqrt(spectrum + DELTA) - lifted
    error = rho * 0.5 / np.sqrt(spectrum + DELTA)
    gradient = np.zeros_like(tones)
    for t, tone in enumerate(tones):
        slopes = np.zeros((4, N_BINS))
        draw_derivatives(tone, columns[atoms[t]], slopes)
        gradient[t] = slopes @ error * [1, tone[0], tone[0], tone[0]]
    return 0.5 * float(rho @ rho), gradient.ravel()


def problem(seed: int) -> tuple[Array, Array, Array, Array]:
    """A noisy spectrum of one to three tones, and a start nearby: lifted, tones, atoms, columns."""
    generator = np.random.default_rng(seed)
    n_tones = 1 + seed % 3
    columns, atoms = some_atoms(generator, 2), np.arange(n_tones) % 2
    true = some_tones(generator, n_tones)
    noise = 1e-3 * generator.random(N_BINS)
    lifted = np.sqrt(log_spectrum(true, atoms, columns, N_BINS) + noise + DELTA)
    start = true * [1.3, 1, 1, 0] + [0, 0.6, 0, 0]
    start[:, 2] = 1.91
    return lifted, start, atoms, columns


@pytest.mark.parametrize("tolerance", [1e-4, 2e-9])
def test_the_fit_is_as_good_as_scipys(tolerance: float) -> None:
    limits = [bounds(p, N_BINS) for p in range(4)]
    excess = []
    for seed in range(N_PROBLEMS):
        lifted, tones, atoms, columns = problem(seed)
        reference = minimize(
            objective,
            tones.ravel(),
            (lifted, atoms, columns),
            "L-BFGS-B",
            jac=True,
            bounds=limits * len(tones),
            options={"maxiter": 500},
        ).fun
        slopes = np.empty((len(tones), 4, N_BINS))
        estimate = refine(lifted, tones, atoms, columns, 100, tolerance, slopes)
        np.testing.assert_allclose(
            estimate, lifted_distance(log_spectrum(tones, atoms, columns, N_BINS), lifted)
        )
        for p, (low, high) in enumerate(limits):
            assert ((tones[:, p] >= low) & (tones[:, p] <= high)).all()
        excess.append(estimate / reference - 1)
    assert max(excess) < ALLOWED


def test_a_fit_never_raises_the_distance_and_recovers_what_was_planted() -> None:
    lifted, tones, atoms, columns = problem(2)
    lifted = np.sqrt(log_spectrum(tones, atoms, columns, N_BINS) + DELTA)
    planted = tones.copy()
    tones[:, 0] *= 1.2
    tones[:, 1] += 0.7
    slopes = np.empty((len(tones), 4, N_BINS))
    before = np.inf
    for _ in range(8):
        distance = refine(lifted, tones, atoms, columns, 2, 0.0, slopes)
        assert distance <= before
        before = distance
    np.testing.assert_allclose(tones[:, :3], planted[:, :3], rtol=1e-4)


def test_a_tone_of_height_0_and_an_empty_atom_stay_finite() -> None:
    lifted = np.sqrt(np.full(N_BINS, 0.1))
    tones = np.array([[0.0, 300.0, 1.91, 0.0], [0.5, 300.0, 1.91, 0.0]])
    columns = np.stack([np.ones(25), np.zeros(25)])
    slopes = np.empty((2, 4, N_BINS))
    assert np.isfinite(refine(lifted, tones, np.array([0, 1]), columns, 20, 1e-3, slopes))
    assert np.isfinite(tones).all()
