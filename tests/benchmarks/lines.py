"""How often ``-n auto`` counts right: ``python -m tests.benchmarks.lines``.

All shared recordings of melodic lines, their stems by themselves, and stems of different recordings
mixed with each other.
"""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
import typer

from musisep_cli.methods import registry
from musisep_cli.methods.decoding.line_count import LEAST_SHARES, MOST_LINES, listened
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.sound.recording import Recording
from tests.benchmarks.crossed import chosen, mixed
from tests.benchmarks.quality import DATA, references

CPU = torch.device("cpu")
CHORDS = ("piano-violin-16k", "gm-oboe-piano-chords", "gm-flute-guitar-chords", "gm-oboe-drums")
"""Recordings beside which no number of lines is right."""


def main(duration: float = 12.0, crossed: int = 8, solos: bool = True) -> None:
    """Count lines; a row per recording, and a summary by the true number."""
    config = resolved(compose("standard", {}, {"run": {"instruments": 1}}, on_gpu=False), CPU)
    precision = registry.get("decoding").precision(config.settings, "auto", CPU)
    found: Counter[tuple[int, int]] = Counter()
    print("| recording | lines | counted | worth of the second, third tone |")
    print("| --- | --- | --- | --- |")
    for name, true, recording in _recordings(duration, crossed, solos=solos):
        worth = listened(recording, config.settings, CPU, precision)
        shares = [worth.share(k) for k in range(2, MOST_LINES + 1)]
        enough = [share >= least for share, least in zip(shares, LEAST_SHARES, strict=True)]
        counted = 1 + next((k for k, is_one in enumerate(enough) if not is_one), len(enough))
        found[true, counted] += 1
        said = ", ".join(f"{share:.2f}" for share in shares)
        print(f"| {name} | {true} | {counted} | {said} |", flush=True)
    print("\n| true lines | recordings | counted right | counted |")
    print("| --- | --- | --- | --- |")
    for true in sorted({true for true, _ in found}):
        of_true = {counted: n for (lines, counted), n in sorted(found.items()) if lines == true}
        all_of_them, right = sum(of_true.values()), of_true.get(true, 0)
        said = ", ".join(f"{n} as {counted}" for counted, n in of_true.items())
        print(f"| {true} | {all_of_them} | {right} | {said} |")


def _recordings(
    duration_s: float, n_crossed: int, *, solos: bool
) -> Iterator[tuple[str, int, Recording]]:
    """Name, true number of lines and recording."""
    folders = sorted(path.name for path in DATA.iterdir() if (path / "meta.json").is_file())
    for case in folders:
        if case in CHORDS:
            continue
        length_s = json.loads((DATA / case / "meta.json").read_text("utf-8"))["duration_s"]
        mix, stems = references(case, min(duration_s, length_s))
        yield case, len(stems), mix
        for number, stem in enumerate(stems if solos else ()):
            if np.abs(stem).max() > 0:
                samples = stem[:, None].astype(np.float32)
                alone = Recording(samples=samples, sample_rate_hz=mix.sample_rate_hz)
                yield f"{case}, stem {number + 1}", 1, alone
    for n_lines in (2, 3):
        for sources in chosen(n_crossed, n_lines, seed=5):
            recording, _ = mixed(sources, duration_s)
            yield ", ".join("/".join(source) for source in sources), n_lines, recording


if __name__ == "__main__":
    typer.run(main)
