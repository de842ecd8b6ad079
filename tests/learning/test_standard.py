"""The default settings, blind, on a recording nobody has tuned them to hear: six seconds."""

from pathlib import Path

import numpy as np

from musisep_cli import audio, separate
from musisep_cli.metrics import array_blocks, best_assignment, bss_eval_v2

MIN_SDR_DB, MIN_SIR_DB = 7.0, 18.0


def test_a_recorder_and_a_violin_are_separated(repository: Path) -> None:
    folder = repository / "tests" / "data" / "tiny"
    mix = audio.read(folder / "mix.flac")
    references = np.stack(
        [audio.read(folder / f"{name}.flac").samples[:, 0] for name in ("recorder", "violin")]
    )
    result = separate(mix.samples, mix.sample_rate_hz, 2, device="cpu")
    scores = bss_eval_v2(
        array_blocks(
            reference=references.astype(np.float64), estimate=result.stems[..., 0].astype(np.float64)
        )
    )
    pairs = best_assignment(scores)
    sdr_db, sir_db = (
        float(np.mean([values[i, j] for i, j in pairs])) for values in (scores.sdr_db, scores.sir_db)
    )
    print(sdr_db, sir_db)
    assert sdr_db > MIN_SDR_DB
    assert sir_db > MIN_SIR_DB
    assert [i for i, _ in sorted(pairs, key=lambda pair: pair[1])] == [0, 1]  # the higher one first
