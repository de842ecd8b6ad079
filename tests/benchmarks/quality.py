"""Quality on the shared recordings, as a Markdown table: ``python -m tests.benchmarks.quality``.

BSS Eval v2 (gain only), means over the instruments; each seed scored by itself, none chosen by its
score. The recordings are for development: nothing may be tuned to them.
"""

import json
import statistics
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.method import Settings
from musisep_cli.run.settings.compose import read_settings
from musisep_cli.sound.audio_file import read
from musisep_cli.sound.recording import Recording

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CASES = (
    "gm-recorder-violin",
    "gm-clarinet-piano",
    "gm-piccolo-organ",
    "gm-piccolo-organ-oboe",
    "bach10-violin-bassoon",
    "bach10-clarinet-bassoon",
    "bach10-trio",
)
Stems: TypeAlias = NDArray[np.float64]
HEAD = """\
| case | length | SDR / SIR / SAR, dB | SDR of the seeds | time / length |
| --- | --- | --- | --- | --- |"""


def main(
    preset: str = "standard",
    seeds: int = 1,
    cases: str = ",".join(CASES),
    config: Annotated[Path | None, typer.Option(help="Settings on top of the preset.")] = None,
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
) -> None:
    """Separate and score; one row per recording as soon as it is done."""
    settings: Settings = read_settings(config).settings if config else {}
    print(HEAD)
    for case in cases.split(","):
        mix, reference = references(case, duration)
        print(measured(case, mix, reference, preset, settings, seeds), flush=True)


def references(case: str, duration_s: float | None) -> tuple[Recording, Stems]:
    """A recording and its stems ``[i, t]``."""
    folder = DATA / case
    names = json.loads((folder / "meta.json").read_text("utf-8"))["stems"]
    stems = [read(folder / name, duration_s=duration_s).samples[:, 0] for name in names]
    return read(folder / "mix.flac", duration_s=duration_s), np.stack(stems).astype(np.float64)


def all_scores(reference: Stems, estimate: Stems) -> list[list[float]]:
    """SDR, SIR and SAR in dB of every reference, best order.

    Of stems ``[i, t]`` or ``[i, t, c]``, all channels as one signal.
    """
    reference, estimate = (stems.reshape(len(stems), -1) for stems in (reference, estimate))
    pairs = bss_eval_v2(array_blocks(reference=reference, estimate=estimate))
    best = sorted(best_assignment(pairs))
    return [
        [float(values[i, j]) for i, j in best]
        for values in (pairs.sdr_db, pairs.sir_db, pairs.sar_db)
    ]


def mean_scores(reference: Stems, estimate: Stems) -> list[float]:
    """SDR, SIR and SAR in dB, means over the instruments, of stems as of ``all_scores``."""
    return [statistics.mean(values) for values in all_scores(reference, estimate)]


def measured(
    name: str,
    mix: Recording,
    reference: Stems,
    preset: str,
    settings: Settings,
    seeds: int,
) -> str:
    """The row of a recording."""
    keep_freed_memory()  # as the programs do
    scores, seconds = [], 0.0
    for seed in range(seeds):
        result = separate(
            mix.samples,
            mix.sample_rate_hz,
            len(reference),
            preset=preset,
            settings=settings,
            first_seed=seed,
            device="cpu",
        )
        scores.append(mean_scores(reference, result.stems.astype(np.float64)))
        seconds += result.wall_s
    means = " / ".join(f"{statistics.mean(column):.1f}" for column in zip(*scores, strict=True))
    spread = ", ".join(f"{sdr_db:.1f}" for sdr_db, _, _ in scores)
    ratio = seconds / seeds / mix.duration_s
    return f"| {name} | {mix.duration_s:.0f} s | {means} | {spread} | {ratio:.1f} |"


if __name__ == "__main__":
    typer.run(main)
