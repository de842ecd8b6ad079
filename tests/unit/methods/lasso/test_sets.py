import itertools
import math

import pytest
import torch

from musisep_cli.methods.lasso.measures import Measures, Peaked, products
from musisep_cli.methods.lasso.regularisation import Detected
from musisep_cli.methods.lasso.sets import sets_of_tones
from musisep_cli.players.hypotheses import LEAST_LOG_PROB
from musisep_cli.players.subsets import subsets
from tests.unit.methods.lasso.atoms import frames_of, grid, measures

GRID = grid(0.5)
THREE = measures([[1.0, 0.6, 0.3, 0.0]], [[50.0, 81.0, 133.0, 1.0]])


def detected(found: Measures, share: float = 0.1) -> Detected:
    frames = frames_of(found, GRID, share)
    return Detected(found, frames.alpha, frames.matched)


def test_the_strongest_tones_are_the_best_set() -> None:
    log_prob, tones = sets_of_tones(detected(THREE), GRID, 2, 6)
    assert log_prob.shape == (1, 6)
    assert tones.f0_bins.shape == (1, 6, 2)
    assert sorted(tones.f0_bins[0, 0].tolist()) == pytest.approx([50.0, 81.0])
    assert float(log_prob[0, 0]) == 0
    assert bool((log_prob.diff(dim=1) <= 0).all())


def test_the_log_probability_is_that_of_the_objective() -> None:
    found = detected(THREE)
    log_prob, tones = sets_of_tones(found, GRID, 1, 4)
    inner = products(Peaked(GRID, THREE), found.matched)
    best = []
    for j in range(3):  # a single atom: a = c - alpha, F = -a^2 / 2
        height = float((inner.data[0, j] - found.alpha[0]).clamp_min(0))
        best.append(-(height**2) / 2)
    expected = [-(value - min(best)) / (2 * float(found.alpha[0]) ** 2) for value in (*best, 0.0)]
    ordered = sorted((max(value, LEAST_LOG_PROB) for value in expected), reverse=True)
    torch.testing.assert_close(log_prob[0], torch.tensor(ordered), rtol=0.02, atol=0.02)
    assert float(tones.f0_bins[0, 0, 0]) == pytest.approx(50.0)


def test_subsets_are_all_of_them_once() -> None:
    chosen = subsets(5, 3)
    assert len(chosen) == sum(math.comb(5, k) for k in range(4))
    assert len({tuple(row) for row in chosen.tolist()}) == len(chosen)
    assert all(sum(row) <= 3 for row in chosen.tolist())
    assert [True, False, True, False, True] in chosen.tolist()


def test_rests_come_last_and_have_no_tone() -> None:
    log_prob, tones = sets_of_tones(detected(measures([[1.0, 0.0]], [[50.0, 1.0]])), GRID, 2, 4)
    assert tones.on[0, 0].tolist() == [True, False]
    assert tones.f0_bins[0, 0, 1] == 0
    possible = log_prob[0] > LEAST_LOG_PROB
    for row in itertools.compress(tones.on[0].tolist(), possible.tolist()):
        assert row in ([True, False], [False, False])


def test_one_pitch_of_two_instruments_is_one_tone() -> None:
    both = measures([[1.0, 0.5, 0.6]], [[50.0, 50.2, 81.0]], [[0, 1, 0]])
    pitches = grid(0.5, 0.3)
    frames = frames_of(both, pitches, 0.1)
    _, tones = sets_of_tones(Detected(both, frames.alpha, frames.matched), pitches, 2, 1)
    assert sorted(tones.f0_bins[0, 0].tolist()) == pytest.approx([50.0, 81.0])


def test_silence_is_one_set_without_tones() -> None:
    zeros = measures([[0.0, 0.0]], [[1.0, 1.0]])
    silence = Detected(zeros, torch.zeros(1), torch.zeros(1, 4 * GRID.n_bins))
    log_prob, tones = sets_of_tones(silence, GRID, 1, 2)
    assert bool(log_prob.isfinite().all())
    assert not tones.on.any()
