"""BSS Eval v3: mir_eval's own figures, and what its filter forgives."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2, bss_eval_v3
from tests.unit.evaluation.metrics.scored import ATOL_DB, matched, mixture, ratios

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
