"""Costs: every number against sums written out as the module's docstring has them."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.players.costs import (
    UNISON_SEMITONES,
    USUAL_SPREAD,
    Candidates,
    DecodingConfig,
    Weighed,
    distances,
    of_leaps,
    of_order,
    of_tones,
    unisons,
    unlikeness,
)
from musisep_cli.players.instruments import Instruments
from musisep_cli.players.voices import Voices
from tests import decodings

CONFIG = DecodingConfig(weight_unison=0.5)
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


def known(m: int, seed: int) -> Instruments:
    generator = np.random.default_rng(seed + 1)
    timbres = generator.random((m, H))
    unit = timbres / np.linalg.norm(timbres, axis=1, keepdims=True)
    found = decodings.instruments(unit, generator.uniform(50, 80, m), generator.uniform(2, 9, m))
    upper = np.triu(generator.uniform(0.1, 0.9, (m, m)), 1)
    above = np.where(np.eye(m) > 0, 0.5, upper + np.tril(1 - upper.T, -1))
    return replace(
        found,
        above=above,
        level_nats=generator.uniform(-1, 1, m),
        spread_nats=generator.uniform(0.3, 2, m),
        trust_in_lines=0.6,
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
            says = [say(level) for level in levels[s]]
            rests = sum(1 - each for each in says)
            pitch = given.pitch_semitones[n, s]
            unisons = sum(
                min(says[i], says[j])
                for i, j in combinations(range(m), 2)
                if abs(pitch[i] - pitch[j]) < UNISON_SEMITONES
            )
            expected = most * (
                CONFIG.weight_misfit * given.misfit[n, s]
                - CONFIG.weight_probability * given.log_prob[n, s]
                + CONFIG.weight_rest * rests
                + CONFIG.weight_unison * unisons
            )
            assert weighed.evidence[n, s] == pytest.approx(expected)


def test_a_pair_of_tones_at_one_pitch_costs_as_the_fainter_has_a_say() -> None:
    pitch = np.array([[60.0, 60.5, 72.0], [60.0, 60.7, 72.0], [60.0, 60.2, 60.4]])
    weights = np.array([1.0, 0.5, 0.25])
    found = unisons(pitch, np.broadcast_to(weights, pitch.shape))
    assert_allclose(found, [0.5, 0.0, 0.5 + 0.25 + 0.25])


@given(SEEDS, st.integers(1, 3))
def test_the_cost_of_a_tone_is_as_documented(seed: int, m: int) -> None:
    given, instruments = candidates(m, seed), known(m, seed)
    found = of_tones(Weighed.of(given, CONFIG, 0.8), instruments, CONFIG)
    assert found.shape == (N, S, m, m)
    for n, s, tone, i in np.ndindex(found.shape):
        e = 1 - float(given.timbres[n, s, tone] @ instruments.timbres[i]) ** 2
        far = min(e / instruments.timbre_spread, 8.0)
        timbre = instruments.timbre_dimensions / 2 * (far - 1)
        spread = instruments.spread_semitones[i]
        z = (given.pitch_semitones[n, s, tone] - instruments.register_semitones[i]) / spread
        register = min(float(z) ** 2 / 2 + math.log(spread / 4), 8.0)
        loud = math.log(max(float(given.loudness[n, s, tone]) / 0.8, CONFIG.faint))
        spread = instruments.spread_nats[i]
        z = (loud - instruments.level_nats[i]) / spread
        level = min(float(z) ** 2 / 2 + math.log(spread / 0.7), 8.0)
        expected = say(float(given.loudness[n, s, tone]) / 0.8) * (
            CONFIG.weight_timbre * timbre
            + 0.6 * CONFIG.weight_register * register
            + CONFIG.weight_level * level
        )
        assert found[n, s, tone, i] == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_a_usual_tone_costs_nothing() -> None:
    given, instruments = candidates(1, 0), known(1, 0)
    at_mean = replace(given, pitch_semitones=np.full((N, S, 1), instruments.register_semitones[0]))
    usual = replace(instruments, spread_semitones=np.array([USUAL_SPREAD]))
    by_register = replace(CONFIG, weight_timbre=0.0, weight_level=0.0)
    assert_allclose(of_tones(Weighed.of(at_mean, CONFIG, 1.0), usual, by_register), 0, atol=1e-12)
    e = distances(given.timbres, instruments.timbres)[0, 0, 0, 0]
    by_timbre = replace(CONFIG, weight_register=0.0, weight_level=0.0)
    as_far = replace(instruments, timbre_spread=e)
    cost = of_tones(Weighed.of(given, CONFIG, 1.0), as_far, by_timbre)
    assert cost[0, 0, 0, 0] == pytest.approx(0, abs=1e-12)


def test_timbres_are_0_apart_where_they_are_alike_and_1_where_nothing_is() -> None:
    own = candidates(1, 0).timbres[0, 0]
    away = np.linalg.svd(own)[2][-1:]  # orthogonal to it
    assert_allclose(distances(own, np.concatenate([own, away])), [[0, 1]], atol=1e-12)


def test_unlikeness_is_as_documented() -> None:
    found = unlikeness(replace(known(2, 0), timbre_spread=0.2), CONFIG)
    assert found == pytest.approx(CONFIG.weight_timbre * 1.5 * math.log(0.2))


@given(SEEDS, st.lists(st.integers(1, 2), min_size=1, max_size=3))
def test_the_cost_of_an_order_is_as_documented(seed: int, counts: list[int]) -> None:
    voices, generator = Voices(tuple(counts)), np.random.default_rng(seed)
    v, above = voices.n_voices, known(len(counts), seed).above
    pitch, weights = generator.uniform(40, 90, (N, v)), generator.random((N, v))
    found = of_order(pitch, weights, voices.players, above)
    for n in range(N):
        expected = 0.0
        for a, b in np.ndindex(v, v):
            i, j = voices.players[a], voices.players[b]
            if i != j and pitch[n, a] > pitch[n, b]:
                expected -= min(weights[n, a], weights[n, b]) * math.log(above[i, j])
        assert found[n] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def size(one: float, other: float) -> float:
    """How much a leap counts."""
    return min(math.log1p(abs(one - other) / CONFIG.leap_scale_semitones), CONFIG.leap_limit)


@given(SEEDS, st.integers(1, 3))
def test_the_cost_of_a_leap_of_single_voices_is_as_documented(seed: int, v: int) -> None:
    generator = np.random.default_rng(seed)
    pitch, weights = generator.uniform(40, 90, (N, 4, v)), generator.random((N, 4, v))
    found = of_leaps(pitch, weights, CONFIG, np.arange(v))
    assert found.shape == (N - 1, 4, 4)
    for n, p, q in np.ndindex(found.shape):
        expected = sum(
            min(weights[n, p, i], weights[n + 1, q, i]) * size(pitch[n, p, i], pitch[n + 1, q, i])
            for i in range(v)
        )
        assert found[n, p, q] == pytest.approx(CONFIG.weight_leap * expected, rel=1e-4, abs=1e-6)


@given(SEEDS)
def test_voices_of_one_instrument_leap_from_and_to_the_nearest(seed: int) -> None:
    generator = np.random.default_rng(seed)
    pitch = generator.uniform(50, 60, (N, 4, 3))
    weights = generator.random((N, 4, 3)) * (generator.random((N, 4, 3)) < 0.7)
    players = np.zeros(3, np.int64)
    found = of_leaps(pitch, weights, CONFIG, players)
    for n, p, q in np.ndindex(found.shape):
        before, after = (
            list(zip(pitch[k, r], weights[k, r], strict=True)) for k, r in ((n, p), (n + 1, q))
        )
        expected = 0.0
        for ends, others in ((before, after), (after, before)):
            for at, weight in ends:
                ways = [size(at, other) for other, w in others if w > 0]
                expected += 0.5 * weight * min([*ways, CONFIG.leap_limit])
        assert found[n, p, q] == pytest.approx(CONFIG.weight_leap * expected, rel=1e-4, abs=1e-6)
    mixed = np.array([2, 0, 1])
    swapped = of_leaps(pitch[..., mixed], weights[..., mixed], CONFIG, players)
    assert_allclose(swapped, found, rtol=1e-5, atol=1e-6)


def test_a_faint_tone_has_no_say_at_all() -> None:
    given = candidates(2, 0)
    level = np.where(np.arange(2) == 0, 1.0, 0.9 * CONFIG.faint)
    faint = replace(given, loudness=np.broadcast_to(level, (N, S, 2)))
    moved = replace(faint, pitch_semitones=faint.pitch_semitones + np.array([0.0, 30.0]))
    one, other = (Weighed.of(each, CONFIG, 1.0) for each in (faint, moved))
    assert_array_equal(one.weights[..., 1], 0)
    instruments = known(2, 0)
    assert_allclose(of_tones(one, instruments, CONFIG), of_tones(other, instruments, CONFIG))
    for players in (np.arange(2), np.zeros(2, np.int64)):
        leaps = [of_leaps(each.pitch, each.weights, CONFIG, players) for each in (one, other)]
        assert_allclose(leaps[0], leaps[1])
        orders = [
            of_order(each.pitch, each.weights, players, instruments.above) for each in (one, other)
        ]
        assert_allclose(orders[0], orders[1])


@given(SEEDS, st.integers(1, 4))
def test_of_more_voices_than_instruments_only_the_loudest_are_missed(seed: int, n: int) -> None:
    only = {"weight_probability": 0.0, "weight_misfit": 0.0, "weight_unison": 0.0}
    given, rests = candidates(4, seed), replace(CONFIG, **only)
    found = Weighed.of(given, rests, 0.8, n)
    loudest = -np.sort(-found.weights, 2)[..., :n]
    expected = CONFIG.weight_rest * (1 - loudest).sum(2) * found.say[:, None]
    assert_allclose(found.evidence, expected, atol=1e-12)
