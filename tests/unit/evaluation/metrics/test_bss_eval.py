"""BSS Eval v2 and v3 against independent implementations, closed forms and invariances."""

import fast_bss_eval.numpy as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics import (
    PairScores,
    array_blocks,
    best_assignment,
    bss_eval_v2,
    bss_eval_v3,
)

ATOL_DB = 1e-6
SEEDS = st.integers(0, 2**32 - 1)
Signals = NDArray[np.float64]


def mixture(seed: int, n_sources: int, n_samples: int = 1500) -> tuple[Signals, Signals]:
    """Correlated references and estimates with interference and artifacts, shuffled."""
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((n_sources, n_samples)) * 10 ** rng.uniform(
        -2, 0, (n_sources, 1)
    )
    reference += 0.2 * rng.standard_normal((n_sources, n_sources)) @ reference
    leak = np.eye(n_sources) + 0.2 * rng.standard_normal((n_sources, n_sources))
    noise = rng.standard_normal((n_sources, n_samples)) * reference.std()
    estimate = leak @ reference + 10 ** rng.uniform(-2, -0.5) * noise
    return reference, estimate[rng.permutation(n_sources)]


def score(reference: Signals, estimate: Signals, block_samples: int = 400) -> PairScores:
    return bss_eval_v2(
        array_blocks(reference=reference, estimate=estimate, block_samples=block_samples)
    )


def ratios(scores: PairScores) -> Signals:
    return np.stack([scores.sdr_db, scores.sir_db, scores.sar_db])


def matched(scores: PairScores) -> Signals:
    """SDR, SIR, SAR of every reference with its estimate, ``[3, i]``."""
    pairs = np.array(best_assignment(scores))
    return ratios(scores)[:, pairs[:, 0], pairs[:, 1]]


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


# The time is mir_eval's own: n! orders, and systems of 512 n unknowns.
SLOW_NUMBERS = [pytest.param(number, marks=pytest.mark.slow) for number in (3, 4, 5)]


@pytest.mark.parametrize("n_sources", [2, *SLOW_NUMBERS])
def test_v3_equals_mir_eval_with_its_own_search(n_sources: int) -> None:
    from mir_eval import separation

    reference, estimate = mixture(n_sources, n_sources, 3000)
    *expected, order = separation.bss_eval_sources(reference, estimate)
    scores = bss_eval_v3(array_blocks(reference=reference, estimate=estimate, block_samples=999))
    assert_allclose(matched(scores), expected, rtol=0, atol=ATOL_DB)
    assert_array_equal([j for _, j in best_assignment(scores)], order)


def test_v3_forgives_what_v2_does_not() -> None:
    reference, _ = mixture(0, 2, 4000)
    late = np.roll(reference, 3, axis=1)
    late[:, :3] = 0
    source = array_blocks(reference=reference, estimate=late)
    assert (np.diag(bss_eval_v3(source).sdr_db) > 20).all()
    assert (np.diag(bss_eval_v2(source).sdr_db) < 0).all()


def test_v3_fits_one_filter_to_all_channels() -> None:
    reference, estimate = mixture(0, 2, 3000)
    twice = bss_eval_v3(
        array_blocks(
            reference=np.stack([reference, reference], axis=1),
            estimate=np.stack([estimate, estimate], axis=1),
        )
    )
    once = bss_eval_v3(array_blocks(reference=reference, estimate=estimate))
    assert_allclose(ratios(twice), ratios(once), rtol=0, atol=ATOL_DB)


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


def test_one_reference_has_no_interference_and_is_assigned_by_sdr() -> None:
    reference, _ = mixture(0, 1)
    noise = np.random.default_rng(1).standard_normal(reference.shape)
    scores = score(reference, np.concatenate([noise, reference + 0.01 * noise]))
    assert_array_equal(scores.sir_db, np.inf)
    assert best_assignment(scores) == [(0, 1)]


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


def test_all_silent_is_an_answer_too() -> None:
    scores = score(np.zeros((2, 10)), np.zeros((1, 10)))
    assert best_assignment(scores) == []
    assert not scores.dependent


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


def test_ten_stems_are_assigned_at_once() -> None:
    reference, estimate = mixture(0, 10)
    order = np.random.default_rng(0).permutation(10)
    pairs = best_assignment(score(reference, (reference + 0.1 * estimate)[order]))
    assert_array_equal(order[[j for _, j in pairs]], range(10))


def test_unequal_numbers_give_each_of_the_fewer_a_partner() -> None:
    reference, _ = mixture(0, 3)
    assert best_assignment(score(reference, reference[[2]])) == [(2, 0)]
    assert best_assignment(score(reference[[1]], reference)) == [(0, 1)]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 10\) and estimates \(2, 1, 9\)"):
        array_blocks(reference=np.ones((2, 10)), estimate=np.ones((2, 9)))
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        array_blocks(reference=np.ones(10), estimate=np.ones(10))
    with pytest.raises(ValueError, match="no samples"):
        score(np.ones((2, 0)), np.ones((2, 0)))
