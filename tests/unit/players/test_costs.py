"""Costs: every number against sums written out as the module's docstring has them."""

import math
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.costs import (
    Array,
    Candidates,
    Costs,
    DecodingConfig,
    Weighed,
    assignments,
)

CONFIG = DecodingConfig()
N, S, H = 3, 2, 5
SEEDS = st.integers(0, 2**20)


@dataclass(frozen=True)
class Known:
    """Instruments as a decoding has them."""

    timbres: Array
    register_semitones: Array
    spread_semitones: Array


def candidates(m: int, seed: int) -> Candidates:
    generator = np.random.default_rng(seed)
    timbres = generator.random((N, S, m, H))
    return Candidates(
        log_prob=-10 * generator.random((N, S)),
        misfit=generator.random((N, S)),
        pitch_semitones=generator.uniform(40, 90, (N, S, m)),
        loudness=2 * generator.random((N, S, m)),
        timbres=timbres / np.linalg.norm(timbres, axis=-1, keepdims=True),
    )


def known(m: int, seed: int) -> Known:
    generator = np.random.default_rng(seed + 1)
    timbres = generator.random((m, H))
    unit = timbres / np.linalg.norm(timbres, axis=1, keepdims=True)
    return Known(unit, generator.uniform(50, 80, m), generator.uniform(2, 9, m))


def say(level: float) -> float:
    return 0.0 if level < CONFIG.faint else min(1.0, math.sqrt(level))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_all_assignments_are_listed_once(m: int) -> None:
    found = assignments(m)
    assert {tuple(row) for row in found.tolist()} == set(permutations(range(m)))
    assert len(found) == math.factorial(m)


@given(SEEDS, st.integers(1, 3))
def test_evidence_is_as_documented(seed: int, m: int) -> None:
    given, loud = candidates(m, seed), 0.8
    weighed = Weighed.of(given, CONFIG, loud)
    for n in range(N):
        levels = given.loudness[n] / loud
        most = np.sqrt(np.minimum(levels, 1)).max()
        assert weighed.say[n] == pytest.approx(most)
        for s in range(S):
            rests = sum(1 - say(level) for level in levels[s])
            expected = most * (
                CONFIG.weight_misfit * given.misfit[n, s]
                - CONFIG.weight_probability * given.log_prob[n, s]
                + CONFIG.weight_rest * rests
            )
            assert weighed.evidence[n, s] == pytest.approx(expected)


@given(SEEDS, st.integers(1, 3))
def test_the_cost_of_a_state_is_as_documented(seed: int, m: int) -> None:
    given, instruments = candidates(m, seed), known(m, seed)
    weighed, costs = Weighed.of(given, CONFIG, 0.8), Costs(CONFIG, m)
    found = costs.of_states(weighed, instruments).reshape(N, S, -1)
    for n in range(N):
        for s in range(S):
            for a, tones in enumerate(assignments(m)):
                expected = weighed.evidence[n, s]
                for i, tone in enumerate(tones):
                    cosine = float(given.timbres[n, s, tone] @ instruments.timbres[i])
                    spread = instruments.spread_semitones[i]
                    d = (
                        given.pitch_semitones[n, s, tone] - instruments.register_semitones[i]
                    ) / spread
                    register = min(d**2 / 2 + math.log(spread), 8.0)
                    expected += say(given.loudness[n, s, tone] / 0.8) * (
                        CONFIG.weight_timbre * (1 - cosine**2) + CONFIG.weight_register * register
                    )
                assert found[n, s, a] == pytest.approx(expected, rel=1e-5)


@given(SEEDS, st.integers(1, 3))
def test_the_cost_of_a_leap_is_as_documented(seed: int, m: int) -> None:
    weighed = Weighed.of(candidates(m, seed), CONFIG, 0.8)
    found = Costs(CONFIG, m).of_leaps(weighed)
    ways = assignments(m)
    shape = (N - 1, S, len(ways), S, len(ways))
    assert found.shape == (N - 1, S * len(ways), S * len(ways))
    for n, s, a, s_next, a_next in np.ndindex(shape):
        expected = 0.0
        for i in range(m):
            here, there = (n, s, ways[a][i]), (n + 1, s_next, ways[a_next][i])
            leap = abs(weighed.pitch[here] - weighed.pitch[there])
            cost = min(math.log1p(leap / CONFIG.leap_scale_semitones), CONFIG.leap_limit)
            heard = min(weighed.weights[here], weighed.weights[there])
            expected += CONFIG.weight_leap * heard * cost
        assert found.reshape(shape)[n, s, a, s_next, a_next] == pytest.approx(expected, rel=1e-4)


def test_a_faint_tone_has_no_say_at_all() -> None:
    given = candidates(2, 0)
    faint = replace(
        given,
        loudness=np.where(np.arange(2) == 0, 1.0, 0.9 * CONFIG.faint)[None, None]
        * np.ones((N, S, 1)),
    )
    weighed = Weighed.of(faint, CONFIG, 1.0)
    assert_array_equal(weighed.weights[..., 1], 0)
    moved = replace(faint, pitch_semitones=faint.pitch_semitones + np.array([0.0, 30.0]))
    again = Weighed.of(moved, CONFIG, 1.0)
    costs, instruments = Costs(CONFIG, 2), known(2, 0)
    assert_allclose(costs.of_states(weighed, instruments), costs.of_states(again, instruments))
    assert_allclose(costs.of_leaps(weighed), costs.of_leaps(again))


def test_timbres_cost_nothing_where_they_are_alike_and_all_where_nothing_is() -> None:
    given = candidates(1, 0)
    own = given.timbres[0, 0]
    away = np.linalg.svd(own)[2][-1:]  # orthogonal to it
    costs = Costs(CONFIG, 1)
    frames = Weighed.of(given, CONFIG, 1.0)
    assert costs.of_timbres(frames, own)[0, 0, 0, 0] == pytest.approx(0, abs=1e-9)
    assert costs.of_timbres(frames, away)[0, 0, 0, 0] == pytest.approx(CONFIG.weight_timbre)
