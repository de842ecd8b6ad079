"""What is left to gain with nothing to separate: ``python -m tests.benchmarks.ceiling``.

Every stem of the development recordings is separated by itself (``-n 1``): whatever is lost then is
lost to the representation, and to tones that were missed.
"""

import json

import numpy as np
import typer

from musisep_cli import separate
from musisep_cli.methods.method import Settings
from tests.benchmarks.quality import CASES, DATA, mean_scores, references

WAYS: dict[str, Settings] = {
    "tones, harmonics not followed": {"resynthesis": {"stems": "direct", "steady_s": 0.0}},
    "tones": {"resynthesis": {"stems": "direct"}},
    "default": {},
}


def main(duration: float = 12.0, cases: str = ",".join(CASES)) -> None:
    """A row per stem as soon as it is done."""
    print(f"| recording | stem | {' | '.join(WAYS)} |")
    print("| --- | --- |" + " --- |" * len(WAYS))
    for case in cases.split(","):
        names = json.loads((DATA / case / "meta.json").read_text("utf-8"))["stems"]
        mix, stems = references(case, duration)
        for name, stem in zip(names, stems, strict=True):
            sdrs_db = [sdr_db(stem, mix.sample_rate_hz, settings) for settings in WAYS.values()]
            print(f"| {case} | {name} | {' | '.join(f'{x:.1f}' for x in sdrs_db)} |", flush=True)


def sdr_db(stem: np.ndarray, rate_hz: int, settings: Settings) -> float:
    """SDR of a stem ``[t]`` that is separated by itself."""
    result = separate(
        stem.astype(np.float32), rate_hz, 1, preset="standard", settings=settings, device="cpu"
    )
    return mean_scores(stem[None], result.stems.astype(np.float64))[0]


if __name__ == "__main__":
    typer.run(main)
