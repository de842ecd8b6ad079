"""BSS Eval v2 against independent implementations, closed forms and invariances."""

import fast_bss_eval.numpy as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2, bss_eval_v3
from musisep_cli.evaluation.metrics.bss_eval import energy_ratio_db
from tests.unit.evaluation.metrics.scored import ATOL_DB, matched, mixture, ratios, score

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("n_sources", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_v2_equals_fast_bss_eval(n_sources: int, seed: int) -> None:
    reference, estimate = mixture(seed, n_sources)
    scores = score(reference, estimate)
    *expected, order = oracle.si_bss_eval_sources(reference, estimate, zero_mean=False)
    assert_allclose(matched(scores), expected, rtol=0, atol=ATOL_DB)
    assert_array_equal([j for _, j in best_assignment(scores)], order)


@pytest.mark.parametrize("n_sources", [2, 5])
def test_v2_equals_v3_of_one_tap(n_sources: int) -> None:
    reference, estimate = mixture(7, n_sources)
    *expected, _ = oracle.bss_eval_sources(reference, estimate, filter_length=1)
    assert_allclose(matched(score(reference, estimate)), expected, rtol=0, atol=ATOL_DB)


@given(SEEDS, st.integers(2, 5), st.integers(1, 1600))
def test_blocks_equal_the_whole(seed: int, n_sources: int, block_samples: int) -> None:
    reference, estimate = mixture(seed, n_sources)
    in_blocks, whole = score(reference, estimate, block_samples), score(reference, estimate, 1500)
    assert_allclose(ratios(in_blocks), ratios(whole), rtol=0, atol=ATOL_DB)


@given(SEEDS, st.integers(2, 5), st.data())
def test_gain_and_polarity_change_nothing(seed: int, n_sources: int, data: st.DataObject) -> None:
    gains = st.floats(1e-3, 1e3).flatmap(lambda gain: st.sampled_from([gain, -gain]))
    drawn = data.draw(st.lists(gains, min_size=2 * n_sources, max_size=2 * n_sources))
    gain = np.array(drawn).reshape(2, n_sources, 1)
    reference, estimate = mixture(seed, n_sources)
    scaled = score(gain[0] * reference, gain[1] * estimate)
    assert_allclose(ratios(scaled), ratios(score(reference, estimate)), rtol=0, atol=ATOL_DB)


@given(SEEDS, st.permutations(range(4)))
def test_order_of_stems_changes_nothing(seed: int, order: list[int]) -> None:
    reference, estimate = mixture(seed, 4)
    shuffled, straight = score(reference, estimate[order]), score(reference, estimate)
    assert_allclose(matched(shuffled), matched(straight), rtol=0, atol=ATOL_DB)


def test_channels_are_one_long_signal() -> None:
    reference, estimate = mixture(3, 3, 2000)
    stereo = score(reference.reshape(3, 2, 1000), estimate.reshape(3, 2, 1000))
    assert_allclose(ratios(stereo), ratios(score(reference, estimate)), rtol=0, atol=ATOL_DB)


def test_estimates_near_perfection_keep_their_digits() -> None:
    reference = np.eye(3, 1000)
    estimate = reference[:1] + 1e-7 * reference[1] + 1e-8 * np.eye(1, 1000, 5)
    scores = score(reference, estimate)
    assert_allclose(scores.sir_db[0, 0], 140, rtol=0, atol=ATOL_DB)
    assert_allclose(scores.sar_db[0, 0], 160, rtol=0, atol=ATOL_DB)


@pytest.mark.parametrize("evaluate", [bss_eval_v2, bss_eval_v3])
def test_perfect_and_unrelated_estimates_are_infinite_never_nan(evaluate) -> None:
    reference = np.random.default_rng(0).standard_normal((2, 3000))
    reference[0, 1500:] = reference[1, :1500] = 0
    scores = evaluate(array_blocks(reference=reference, estimate=0.3 * reference))
    assert_array_equal(np.diag(scores.sdr_db), np.inf)
    assert_array_equal(np.diag(scores.sar_db), np.inf)
    assert not np.isnan(ratios(scores)).any()


def test_an_estimate_outside_the_span_has_nothing_of_its_reference() -> None:
    scores = score(np.eye(2, 10), np.eye(1, 10, 5))
    assert_array_equal(ratios(scores), -np.inf)


@pytest.mark.parametrize("evaluate", [bss_eval_v2, bss_eval_v3])
def test_silence_is_named_and_leaves_the_rest_as_it_is(evaluate) -> None:
    reference, estimate = mixture(0, 2)
    silence = np.zeros((1, 1500))
    alone = evaluate(array_blocks(reference=reference, estimate=estimate))
    beside = evaluate(
        array_blocks(
            reference=np.concatenate([silence, reference]),
            estimate=np.concatenate([estimate, silence]),
        )
    )
    assert_array_equal(beside.silent_reference, [True, False, False])
    assert_array_equal(beside.silent_estimate, [False, False, True])
    assert_allclose(ratios(beside)[:, 1:, :2], ratios(alone), rtol=0, atol=ATOL_DB)
    assert_array_equal(ratios(beside)[:, 0], -np.inf)
    assert [i for i, _ in best_assignment(beside)] == [1, 2]


@pytest.mark.parametrize("extra", ["copy", "mix"])
def test_dependent_references_are_named(extra: str) -> None:
    reference, estimate = mixture(0, 2)
    third = -2 * reference[1] if extra == "copy" else reference.sum(axis=0)
    scores = score(np.concatenate([reference, third[None]]), estimate)
    assert scores.dependent
    assert not score(reference, estimate).dependent
    assert not np.isnan(ratios(scores)).any()
    # The span is the same, and so are SDR and SAR against the two that are not new.
    assert_allclose(scores.sdr_db[:2], score(reference, estimate).sdr_db, rtol=0, atol=ATOL_DB)


@given(st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_an_energy_ratio_is_its_level(noise: float, level_db: float) -> None:
    ratio_db = energy_ratio_db(
        np.array([noise * 10 ** (level_db / 10)]), np.array([noise]), np.array(0.0)
    )
    assert_allclose(ratio_db, level_db, rtol=0, atol=1e-9)
