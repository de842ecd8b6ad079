"""The default settings, blind, on six seconds of a real piece."""

from pathlib import Path

import numpy as np

from musisep_cli import audio, separate
from musisep_cli.metrics import array_blocks, best_assignment, bss_eval_v2

MIN_SDR_DB, MIN_SIR_DB = 7.0, 16.0


def test_a_recorder_and_a_violin_are_separated(repository: Path) -> None:
    folder = repository / "tests" / "data" / "tiny"
    mix = audio.read(folder / "mix.flac")
    references = np.stack(
        [audio.read(folder / f"{name}.flac").samples[:, 0] for name in ("recorder", "violin")]
    )
    result = separate(mix.samples, mix.sample_rate_hz, 2, device="cpu")
    stems = result.stems[..., 0].astype(np.float64)
    scores = bss_eval_v2(array_blocks(reference=references.astype(np.float64), estimate=stems))
    pairs = best_assignment(scores)
    assert pairs == [(0, 0), (1, 1)]  # the higher one first
    assert np.mean([scores.sdr_db[pair] for pair in pairs]) > MIN_SDR_DB
    assert np.mean([scores.sir_db[pair] for pair in pairs]) > MIN_SIR_DB
