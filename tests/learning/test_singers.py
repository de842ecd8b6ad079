"""Four simulated singers come apart by their pitch."""

import csv
from pathlib import Path

import numpy as np
import pytest

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
from tests.signals import singers

RATE_HZ, EVERY = 16_000, 160


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "least", "mean"), [("standard", 6, 9), ("source-filter", 3, 6)])
def test_four_singers_come_apart_by_their_pitch(
    tmp_path: Path, preset: str, least: float, mean: float
) -> None:
    voices = singers(duration_s=3.0, sample_rate_hz=RATE_HZ)
    path = tmp_path / "tracks.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", *(f"f0_{number}" for number in range(1, 5))])
        tracks = np.transpose([f0_hz[::EVERY] for _, f0_hz in voices.values()])
        writer.writerows([n * EVERY / RATE_HZ, *row] for n, row in enumerate(tracks))
    reference = np.stack([voice for voice, _ in voices.values()])
    settings = {"pitch": {"files": [str(path)]}}
    found = separate(reference.sum(0), RATE_HZ, 4, preset=preset, settings=settings, device="cpu")
    estimate = found.stems[..., 0].astype(np.float64)
    sdr_db = bss_eval_v2(array_blocks(reference=reference, estimate=estimate)).sdr_db.diagonal()
    assert sdr_db.min() > least
    assert sdr_db.mean() > mean
