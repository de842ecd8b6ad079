"""Ideal ratio mask: closed forms, and blocks against the whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.evaluation.metrics import Block, array_blocks, bss_eval_v2, masked_blocks
from musisep_cli.evaluation.metrics.ratio_mask import window_samples

RATE_HZ = 8000


def tones() -> np.ndarray:
    """Two tones of different loudness that do not overlap in frequency, 1.5 s."""
    time_s = np.arange(12000) / RATE_HZ
    return np.stack([np.sin(2 * np.pi * 440 * time_s), 0.1 * np.sin(2 * np.pi * 1500 * time_s)])


def masks(reference: np.ndarray, block_samples: int) -> np.ndarray:
    source = array_blocks(
        reference=reference, estimate=reference.sum(0, keepdims=True), block_samples=block_samples
    )
    blocks = masked_blocks(source(), RATE_HZ)
    return np.concatenate([block.estimate for block in blocks], axis=-1)[:, 0]


@pytest.mark.parametrize("block_samples", [1024, 2048, 8192])
def test_mask_in_blocks_equals_the_mask_of_the_whole(block_samples: int) -> None:
    reference = np.random.default_rng(0).standard_normal((3, 12000))
    assert window_samples(RATE_HZ) <= block_samples
    assert_allclose(masks(reference, block_samples), masks(reference, 12288), rtol=0, atol=1e-12)


def test_mask_separates_what_does_not_overlap() -> None:
    reference = tones()
    scores = bss_eval_v2(array_blocks(reference=reference, estimate=masks(reference, 4096)))
    assert (np.diag(scores.sdr_db) > 30).all()


def test_masked_stems_add_up_to_the_mixture() -> None:
    reference = tones()
    assert_allclose(masks(reference, 4096).sum(0), reference.sum(0), rtol=0, atol=1e-12)


def test_silence_everywhere_is_masked_to_silence() -> None:
    block = Block(np.zeros((2, 1, 3000)), np.zeros((1, 1, 3000)))
    (masked,) = masked_blocks([block], RATE_HZ)
    assert_array_equal(masked.estimate, np.zeros((2, 1, 3000)))
