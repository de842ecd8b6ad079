"""The default settings, blind, on six seconds of a real piece."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from musisep_cli.sound import audio_file

MONO = [[1.0], [1.0]]
PANNED = [[0.9, 0.4], [0.4, 0.9]]
OPPOSITE = [[1.0, 1.0], [1.0, -1.0]]
"""Gains of the instruments in the channels: from the middle, from left and right of it, and one of
opposite polarity."""


@pytest.mark.parametrize(
    ("gains", "min_sdr_db", "min_sir_db"),
    [
        (MONO, 9.0, 20.0),
        (PANNED, 22.0, 42.0),
        pytest.param(OPPOSITE, 30.0, 50.0, marks=pytest.mark.slow),
    ],
)
def test_a_recorder_and_a_violin_are_separated(
    repository: Path, gains: list[list[float]], min_sdr_db: float, min_sir_db: float
) -> None:
    folder = repository / "tests" / "data" / "tiny"
    recorder, violin = (audio_file.read(folder / f"{name}.flac") for name in ("recorder", "violin"))
    images = np.stack([recorder.samples * gains[0], violin.samples * gains[1]])  # i, t, c
    mix = images.sum(0).astype(np.float32)
    result = separate(mix, recorder.sample_rate_hz, 2, device="cpu")
    stems = result.stems.astype(np.float64)
    scores = bss_eval_v2(
        array_blocks(reference=images.transpose(0, 2, 1), estimate=stems.transpose(0, 2, 1))
    )
    pairs = best_assignment(scores)
    assert pairs == [(0, 0), (1, 1)]  # the higher one first
    assert np.mean([scores.sdr_db[pair] for pair in pairs]) > min_sdr_db
    assert np.mean([scores.sir_db[pair] for pair in pairs]) > min_sir_db
