"""Costs: every number against sums written out as the module's docstring has them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.costs import (
    Candidates,
    DecodingConfig,
    Weighed,
    distances,
    of_leaps,
    of_order,
    of_tones,
    unlikeness,
)
from tests import decodings

CONFIG = DecodingConfig()
N, S, H = 3, 2, 5
SEEDS = st.integers(0, 2**20)


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


def say(level: float) -> float:
    return 0.0 if level < CONFIG.faint else min(1.0, math.sqrt(level))


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
def test_timbre_and_register_are_as_documented(seed: int, m: int) -> None:
    generator = np.random.default_rng(seed + 1)
    timbres = generator.random((m, H))
    known = decodings.instruments(
        timbres / np.linalg.norm(timbres, axis=1, keepdims=True),
        generator.uniform(50, 80, m),
        generator.uniform(2, 9, m),
    )
    given = candidates(m, seed)
    weighed = Weighed.of(given, CONFIG, 0.8)
    found = of_tones(weighed, known, CONFIG)
    for n, s, tone, i in np.ndindex(N, S, m, m):
        cosine = float(given.timbres[n, s, tone] @ known.timbres[i])
        far = min((1 - cosine**2) / known.timbre_spread, 8.0)
        spread = known.spread_semitones[i]
        z = (given.pitch_semitones[n, s, tone] - known.register_semitones[i]) / spread
        register = min(z**2 / 2 + math.log(spread / 4), 8.0)
        expected = say(given.loudness[n, s, tone] / 0.8) * (
            CONFIG.weight_timbre * known.timbre_dimensions / 2 * (far - 1)
            + CONFIG.weight_register * register
        )
        assert found[n, s, tone, i] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_who_is_above_whom_costs_by_how_probable_it_is() -> None:
    above = np.array([[0.5, 0.9], [0.1, 0.5]])
    players = np.array([0, 1])
    pitch = np.array([[72.0, 60.0], [60.0, 72.0]])
    weights = np.array([[1.0, 0.5], [1.0, 0.5]])
    found = of_order(pitch, weights, players, above)
    assert_allclose(found, [-0.5 * math.log(0.9), -0.5 * math.log(0.1)], rtol=1e-6)
    assert_array_equal(of_order(pitch, weights, np.array([0, 0]), above), 0)


@given(SEEDS, st.integers(1, 3))
def test_the_cost_of_a_leap_is_as_documented(seed: int, m: int) -> None:
    weighed = Weighed.of(candidates(m, seed), CONFIG, 0.8)
    found = of_leaps(weighed.pitch, weighed.weights, CONFIG, np.arange(m))
    assert found.shape == (N - 1, S, S)
    for n, before, after in np.ndindex(found.shape):
        expected = 0.0
        for i in range(m):
            here, there = (n, before, i), (n + 1, after, i)
            leap = abs(weighed.pitch[here] - weighed.pitch[there])
            cost = min(math.log1p(leap / CONFIG.leap_scale_semitones), CONFIG.leap_limit)
            heard = min(weighed.weights[here], weighed.weights[there])
            expected += CONFIG.weight_leap * heard * cost
        assert found[n, before, after] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(SEEDS)
def test_voices_of_one_instrument_are_exchangeable(seed: int) -> None:
    generator = np.random.default_rng(seed)
    pitch, weights = generator.uniform(40, 90, (N, S, 3)), generator.random((N, S, 3))
    players = np.array([0, 1, 1])
    mixed = np.array([0, 2, 1])
    plain = of_leaps(pitch, weights, CONFIG, players)
    again = of_leaps(pitch[..., mixed], weights[..., mixed], CONFIG, players)
    assert_allclose(again, plain, rtol=1e-5)
    held = np.broadcast_to(pitch[:1], pitch.shape)
    same = of_leaps(held, np.ones_like(held), CONFIG, players)
    assert_allclose(same[:, np.arange(S), np.arange(S)], 0, atol=1e-6)


def test_a_faint_tone_has_no_say_at_all() -> None:
    given = candidates(2, 0)
    levels = np.where(np.arange(2) == 0, 1.0, 0.9 * CONFIG.faint)
    faint = replace(given, loudness=levels * np.ones((N, S, 1)))
    weighed = Weighed.of(faint, CONFIG, 1.0)
    assert_array_equal(weighed.weights[..., 1], 0)
    moved = replace(faint, pitch_semitones=faint.pitch_semitones + np.array([0.0, 30.0]))
    again = Weighed.of(moved, CONFIG, 1.0)
    known = decodings.instruments(np.eye(2, H))
    assert_allclose(of_tones(weighed, known, CONFIG), of_tones(again, known, CONFIG))
    leaps = (of_leaps(each.pitch, each.weights, CONFIG, np.arange(2)) for each in (weighed, again))
    assert_allclose(*leaps)


def test_timbres_are_no_distance_apart_where_they_are_alike_and_one_where_nothing_is() -> None:
    own = candidates(1, 0).timbres[0, 0]
    away = np.linalg.svd(own)[2][-1:]  # orthogonal to it
    assert distances(own, own)[0, 0] == pytest.approx(0, abs=1e-9)
    assert distances(own, away)[0, 0] == pytest.approx(1)


def test_instruments_whose_tones_are_more_alike_cost_less() -> None:
    known = decodings.instruments(np.eye(2, H))
    costs = [unlikeness(replace(known, timbre_spread=r), CONFIG) for r in (0.05, 0.1, 0.2)]
    assert costs == sorted(costs)
    assert costs[1] == pytest.approx(CONFIG.weight_timbre * 1.5 * math.log(0.1))
