"""The lasso method on the shared recordings: ``python -m tests.benchmarks.lasso``.

Quality (BSS Eval v2, gain only, means over the instruments) and CPU time over length, of the lasso
and beside it of the presets named. With ``--choices`` what each choice of ours is worth: one
setting changed in every row. The recordings are for development: nothing may be tuned to them.
"""

import time
from typing import Annotated

import numpy as np
import typer

from musisep_cli import separate
from musisep_cli.methods.method import Settings
from tests.benchmarks.quality import CASES, mean_scores, references

CHOICES: dict[str, Settings] = {
    "as it is": {},
    "tones looked for in every frame": {"lasso": {"hops": 1}},
    "dictionary learned from every frame": {"lasso": {"learning_hops": 1}},
    "no octaves of the best set": {"lasso": {"octave_nats": 0.0}},
    "no held notes": {"lasso": {"held_nats": 0.0}},
    "pitches as the detector has them": {"lasso": {"refined_pitch": False}},
    "harmonics are exact": {"frank_wolfe": {"max_inharmonicity": 0.0}},
    "alpha down to a quarter": {"path": {"shares": [0.5, 0.25]}},
    "alpha down to a twentieth": {"path": {"shares": [0.5, 0.25, 0.125, 0.05]}},
    "one atom more than instruments": {"path": {"more_tones": 1}},
}


def main(
    presets: str = "lasso,standard",
    cases: str = ",".join(CASES),
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
    choices: Annotated[bool, typer.Option(help="What each choice of ours is worth.")] = False,
) -> None:
    """Separate and score; one row per recording as soon as it is done."""
    print("| case | length | preset | SDR / SIR / SAR, dB | CPU time / length |")
    print("| --- | --- | --- | --- | --- |")
    rows = CHOICES if choices else {name: {} for name in presets.split(",")}
    for case in cases.split(","):
        for name, settings in rows.items():
            print(row(case, name, "lasso" if choices else name, settings, duration), flush=True)


def row(case: str, name: str, preset: str, settings: Settings, duration_s: float | None) -> str:
    """The row of a recording and a choice."""
    mix, truth = references(case, duration_s)
    begun_s = time.process_time()
    found = separate(
        mix.samples,
        mix.sample_rate_hz,
        len(truth),
        preset=preset,
        settings={**settings, "run": {"threads": 1}},
        device="cpu",
    )
    ratio = (time.process_time() - begun_s) / mix.duration_s
    scores = " / ".join(
        f"{value:.1f}" for value in mean_scores(truth, found.stems.astype(np.float64))
    )
    return f"| {case} | {mix.duration_s:.0f} s | {name} | {scores} | {ratio:.2f} |"


if __name__ == "__main__":
    typer.run(main)
