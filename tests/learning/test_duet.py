"""A duet of two clearly different instruments is separated from scratch, blind."""

import statistics

import numpy as np
import pytest

from musisep_cli import separate
from musisep_cli.metrics import array_blocks, best_assignment, bss_eval_v2
from tests.signals import duet

RATE_HZ = 8_000
SETTINGS = {
    "network": {"base_channels": 16, "strides": [4, 4, 4, 4, 4]},
    "dictionary": {"n_harmonics": 12},
    "training": {"iterations": 2_500},
}
MIN_MEDIAN_SDR_DB = 10.0


@pytest.mark.slow
def test_the_median_of_three_seeds_is_above_10_db() -> None:
    references = np.stack(list(duet(duration_s=10.0, sample_rate_hz=RATE_HZ).values()))
    means_db = []
    for seed in range(3):
        result = separate(
            references.sum(0),
            RATE_HZ,
            2,
            preset="quick",
            settings=SETTINGS,
            first_seed=seed,
            device="cpu",
        )
        estimates = result.stems[..., 0].astype(np.float64)
        scores = bss_eval_v2(array_blocks(reference=references, estimate=estimates))
        means_db.append(np.mean([scores.sdr_db[i, j] for i, j in best_assignment(scores)]))
    assert statistics.median(means_db) > MIN_MEDIAN_SDR_DB, f"SDR of the seeds: {means_db}"
