import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from musisep_cli.methods.lasso.patterns import Atoms, Patterns, Shifts
from musisep_cli.methods.lasso.proximal import (
    Projection,
    ProximalConfig,
    Sources,
    duality_gap,
    half_line,
    interval,
    proximal_gradient,
)

N_PLACES = 96
# The patterns of two instruments over log2 f: 24 places to an octave, harmonics at log2 h.
OCTAVE = 24
CONFIG = ProximalConfig(tolerance=1e-12)


def pattern(rolloff: float, width: float = 0.8) -> Tensor:
    """phi of norm 1, [f], on a closed axis of log frequency."""
    places = torch.arange(N_PLACES, dtype=torch.float64)
    phi = torch.zeros_like(places)
    for h in range(1, 6):
        distance = places - OCTAVE * np.log2(h)
        distance = distance - N_PLACES * (distance / N_PLACES).round()
        phi += rolloff ** (h - 1) * torch.exp(-0.5 * (distance / width) ** 2)
    return phi / phi.norm()


INSTRUMENTS = [Shifts(pattern(0.8)), Shifts(pattern(0.3))]


def solve(
    data: Tensor, instruments: list[Patterns], alpha: float, config: ProximalConfig = CONFIG
) -> Sources:
    return proximal_gradient(data, instruments, alpha, ball=lambda _: interval, config=config)


def mass(found: Sources) -> Tensor:
    return torch.stack([measure.abs().sum(-1) for measure in found.measures]).sum(0)


def highest(data: Tensor, found: Sources, instruments: list[Patterns]) -> Tensor:
    rest = data - found.sources.sum(0)
    return torch.stack([each.correlate(rest).abs().amax(-1) for each in instruments]).amax(0)


def noise(seed: int, n_places: int = N_PLACES) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=n_places))


def test_of_a_point_the_solution_is_the_soft_threshold() -> None:
    point = torch.zeros(N_PLACES, dtype=torch.float64)
    point[0] = 1
    data = noise(0)
    found = solve(data, [Shifts(point)], 0.5).sources[0]
    expected = data.sign() * (data.abs() - 0.5).clamp_min(0)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("height", [2.0, 0.3])
def test_one_tone_loses_alpha_and_has_its_instrument_and_place(player: int, height: float) -> None:
    measure = torch.zeros(N_PLACES, dtype=torch.float64)
    measure[17] = height
    data = INSTRUMENTS[player].spread(measure)
    found = solve(data, [*INSTRUMENTS], 0.5, ProximalConfig(tolerance=1e-10))
    expected = data * max(height - 0.5, 0) / height
    torch.testing.assert_close(found.sources[player], expected, atol=2e-3, rtol=0)
    assert float(found.sources[1 - player].abs().max()) < 2e-3


@given(st.integers(0, 100))
@settings(max_examples=3)
def test_of_a_finite_matrix_the_sources_are_those_of_its_lasso(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrices = [generator.normal(size=(6, 10)) for _ in range(2)]
    matrices = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in matrices]
    data = generator.normal(size=10)
    found = solve(torch.from_numpy(data), [Atoms(torch.from_numpy(m)) for m in matrices], 0.2)
    expected = lasso(np.concatenate(matrices), data, 0.2)
    for i in range(2):
        np.testing.assert_allclose(
            found.sources[i], expected[6 * i : 6 * i + 6] @ matrices[i], atol=1e-5
        )


def lasso(atoms: np.ndarray, data: np.ndarray, alpha: float) -> np.ndarray:
    """Coordinate descent, an independent solution."""
    gram, products, found = atoms @ atoms.T, atoms @ data, np.zeros(len(atoms))
    for _ in range(2_000):
        for j in range(len(atoms)):
            pull = products[j] - gram[j] @ found + gram[j, j] * found[j]
            found[j] = np.sign(pull) * max(abs(pull) - alpha, 0) / gram[j, j]
    return found


@given(st.floats(0.1, 10), st.integers(0, 100))
@settings(max_examples=3)
def test_it_is_linear_in_scale(scale: float, seed: int) -> None:
    data, config = noise(seed), ProximalConfig(max_steps=50, tolerance=0)
    one = solve(data, [*INSTRUMENTS], 0.5, config).sources
    other = solve(scale * data, [*INSTRUMENTS], scale * 0.5, config).sources
    torch.testing.assert_close(other, scale * one)


def test_instruments_permute() -> None:
    config = ProximalConfig(max_steps=50, tolerance=0)
    one = solve(noise(1), [*INSTRUMENTS], 0.5, config).sources
    other = solve(noise(1), INSTRUMENTS[::-1], 0.5, config).sources
    torch.testing.assert_close(other.flip(0), one)


@given(st.integers(0, 100))
@settings(max_examples=3)
def test_the_proximal_mapping_is_firmly_non_expansive(seed: int) -> None:
    points = torch.stack([noise(seed), noise(seed + 1000)])
    project = Projection.of(INSTRUMENTS[0], interval, 1.0, points)
    proximal = points - project(points, 0.4, 1500)
    moved, apart = proximal[0] - proximal[1], points[0] - points[1]
    assert float(moved.square().sum()) <= float(moved @ apart) + 1e-6


def test_the_objective_falls_the_gap_closes_and_the_certificate_is_kept() -> None:
    data, alpha = noise(3), 0.8
    gaps, objectives = [], []
    for n_steps in (5, 20, 100, 600):
        found = solve(data, [*INSTRUMENTS], alpha, ProximalConfig(max_steps=n_steps, tolerance=0))
        # Of the measures themselves: their sum of atoms is a source at every step.
        exact = torch.stack(
            [each.spread(mu) for each, mu in zip(INSTRUMENTS, found.measures, strict=True)]
        )
        played = Sources(exact, found.measures, n_steps)
        above = highest(data, played, [*INSTRUMENTS])
        gaps.append(float(duality_gap(data, exact, mass(played), above, alpha)))
        rest = data - exact.sum(0)
        objectives.append(float(rest.square().sum() / 2 + alpha * mass(played)))
    assert all(gap >= -1e-9 for gap in gaps)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-3 * gaps[0]
    assert objectives == sorted(objectives, reverse=True)
    assert float(highest(data, found, [*INSTRUMENTS])) <= 1.001 * alpha


def test_non_negative_measures_have_half_the_constraint() -> None:
    point = torch.zeros(N_PLACES, dtype=torch.float64)
    point[0] = 1
    data = noise(0)
    found = proximal_gradient(
        data, [Shifts(point)], 0.5, ball=lambda _: half_line, config=CONFIG
    ).sources[0]
    torch.testing.assert_close(found, (data - 0.5).clamp_min(0), atol=1e-9, rtol=0)


@given(st.integers(0, 100))
@settings(max_examples=3)
def test_both_kinds_of_patterns_are_one_operator(seed: int) -> None:
    matrix = torch.stack([pattern(0.8).roll(s) for s in range(N_PLACES)])
    shifts, atoms = Shifts(pattern(0.8)), Atoms(matrix)
    values = noise(seed)
    for one, other in (
        (shifts.correlate(values), atoms.correlate(values)),
        (shifts.spread(values), atoms.spread(values)),
        (shifts.solve(values, 0.7), atoms.solve(values, 0.7)),
    ):
        torch.testing.assert_close(one, other)
    right = shifts.solve(values, 0.7)
    torch.testing.assert_close(right + 0.7 * shifts.spread(shifts.correlate(right)), values)
