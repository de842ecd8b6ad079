"""Blocks of signals: put together they are the signals, with margins and without."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.evaluation.metrics.blocks import array_blocks, with_margin
from tests.unit.evaluation.metrics.scored import score


@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 2))
def test_blocks_put_together_are_the_signals(n: int, block_samples: int, n_channels: int) -> None:
    reference = np.arange(2.0 * n_channels * n).reshape(2, n_channels, n)
    source = array_blocks(reference=reference, estimate=-reference[:1], block_samples=block_samples)
    for _ in range(2):  # a source can be read again
        blocks = list(source())
        assert all(block.reference.shape[-1] == block_samples for block in blocks[:-1])
        assert_array_equal(np.concatenate([b.reference for b in blocks], axis=-1), reference)
        assert_array_equal(np.concatenate([b.estimate for b in blocks], axis=-1), -reference[:1])


@given(st.integers(1, 60), st.integers(1, 20), st.data())
def test_a_margin_is_what_stands_beside_the_block(
    n: int, block_samples: int, data: st.DataObject
) -> None:
    margin = data.draw(st.integers(0, block_samples))
    signal = np.arange(1.0, n + 1)[None]
    # Zeros stand before the start and after the end; beyond a last, shorter block nothing does.
    padded = np.pad(signal[0], (margin, margin + block_samples))
    source = array_blocks(reference=signal, estimate=signal, block_samples=block_samples)
    for number, block in enumerate(with_margin(source(), margin)):
        start = number * block_samples
        assert_array_equal(block.reference[0, 0], padded[start : start + block.reference.shape[-1]])
        assert_array_equal(block.estimate, block.reference)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 10\) and estimates \(2, 1, 9\)"):
        array_blocks(reference=np.ones((2, 10)), estimate=np.ones((2, 9)))
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        array_blocks(reference=np.ones(10), estimate=np.ones(10))
    with pytest.raises(ValueError, match="no samples"):
        score(np.ones((2, 0)), np.ones((2, 0)))
