"""What the notes are worth: separation with and without them, as a Markdown table.

``python -m tests.benchmarks.known_pitch --duration 12``: BSS Eval v2 (gain only), means over the
instruments, one seed of ``standard``; blind, with the notes or the pitch of the references, and
with the same notes displaced at random. Nothing may be tuned to these recordings.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.run.in_memory import separate_recording
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.score.part import Part
from musisep_cli.sound.score.reading import read_score
from tests.benchmarks.quality import DATA, Stems, mean_scores, references
from tests.signals import singers

CASES = (
    "choir-2", "gm-recorder-violin", "gm-clarinet-piano", "gm-piccolo-organ",
    "gm-piccolo-organ-oboe", "gm-two-flutes", "gm-viola-contrabass", "gm-oboe-piano-chords",
    "gm-flute-guitar-chords", "gm-string-quartet", "gm-wind-quartet",
)  # fmt: skip
SINGERS = "four-singers"
"""The case that is made up: ``tests.signals.singers``."""
MOST_BLIND = 4
"""Largest number of instruments that ``standard`` serves without their notes."""
DISPLACED_S, DISPLACED_CENTS = 0.03, 50.0
"""By how much onsets and pitches are displaced at random at most."""
SINGERS_HZ = 16_000
"""Sample rate of the four simulated singers."""
TRACK_HOP_S = 0.01
"""Time from row to row of a displaced track, in seconds."""
CPU = torch.device("cpu")


def main(
    duration: float = 12.0,
    cases: str = ",".join(CASES),
    ways: Annotated[
        str, typer.Option(help="Of blind, known, displaced.")
    ] = "blind,known,displaced",
    preset: str = "standard",
) -> None:
    """Separate and score; one row per recording as soon as it is done."""
    keep_freed_memory()  # as the programs do
    print(f"| case | {' | '.join(f'{way}: SDR / SIR / SAR, dB' for way in ways.split(','))} |")
    print(f"| --- |{' --- |' * len(ways.split(','))}")
    for case in cases.split(","):
        mix, reference = made(duration) if case == SINGERS else references(case, duration)
        cells = [scored(case, way, mix, reference, preset) for way in ways.split(",")]
        print(f"| {case} | {' | '.join(cells)} |", flush=True)


def scored(case: str, way: str, mix: Recording, reference: Stems, preset: str) -> str:
    """One cell: the scores of a recording in one way, and the time over its length."""
    if way == "blind" and len(reference) > MOST_BLIND:
        return "not served"
    with tempfile.TemporaryDirectory() as name:
        files = given(case, way, Path(name), mix.duration_s)
        settings = {"pitch": {"files": [str(path) for path in files]}}
        run = {"run": {"instruments": len(reference)}}
        config = resolved(compose(preset, settings, run), CPU)
        result = separate_recording(mix, config, device=CPU)
    sdr, sir, sar = mean_scores(reference, result.stems.astype(np.float64))
    return f"{sdr:.1f} / {sir:.1f} / {sar:.1f}, {result.wall_s / mix.duration_s:.1f}"


def given(case: str, way: str, folder: Path, duration_s: float) -> list[Path]:
    """The files with the notes, none if it goes without."""
    if way == "blind":
        return []
    files = [write_singers(folder, duration_s)] if case == SINGERS else known(case)
    return files if way == "known" else [displaced(files, folder / "displaced.csv")]


def made(duration_s: float) -> tuple[Recording, Stems]:
    """The mixture of four simulated singers, and their stems ``[i, t]``."""
    stems = np.stack([voice for voice, _ in singers(duration_s=duration_s).values()])
    mix = stems.sum(0)[:, None].astype(np.float32)
    return Recording(samples=mix, sample_rate_hz=SINGERS_HZ), stems


def write_singers(folder: Path, duration_s: float) -> Path:
    """Write the pitch of the four singers, in columns."""
    path, every = folder / "singers.csv", round(TRACK_HOP_S * SINGERS_HZ)
    tracks = [f0_hz[::every] for _, f0_hz in singers(duration_s=duration_s).values()]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", "f0_1", "f0_2", "f0_3", "f0_4"])
        writer.writerows([n * TRACK_HOP_S, *row] for n, row in enumerate(np.transpose(tracks)))
    return path


def stem_names(case: str) -> list[str]:
    """Names of the references, in the order of the score."""
    return [
        Path(name).stem for name in json.loads((DATA / case / "meta.json").read_text())["stems"]
    ]


def known(case: str) -> list[Path]:
    """The files with the notes or the pitch of the references, in their order."""
    folder = DATA / case
    contours = [folder / f"{name}_f0.csv" for name in stem_names(case)]
    return contours if contours[0].is_file() else [folder / "notes.csv"]


def displaced(files: Sequence[Path], path: Path) -> Path:
    """Write the notes as a list, each with another onset and another pitch; a track in columns."""
    draw: Callable[[float, float], float] = np.random.default_rng(0).uniform
    score = read_score(files)
    drawn = [
        part.with_notes(
            note.moved(partial(np.add, draw(-DISPLACED_S, DISPLACED_S))).transposed(
                draw(-DISPLACED_CENTS, DISPLACED_CENTS) / 100
            )
            for note in part.notes
        )
        for part in score.parts
    ]
    write = write_tracks if drawn[0].is_contour else write_notes
    with path.open("w", newline="") as file:
        write(csv.writer(file), drawn)
    return path


def write_notes(writer: Any, parts: Sequence[Part]) -> None:
    """Write notes of one pitch each."""
    writer.writerow(["stem", "onset_s", "offset_s", "midi"])
    for part in parts:
        for note in part.notes:
            times = max(note.onset_s, 0.0), max(note.offset_s, 0.0)
            writer.writerow([part.name, *times, note.middle_semitones])


def write_tracks(writer: Any, parts: Sequence[Part]) -> None:
    """Write the pitch of all parts on a grid."""
    writer.writerow(["time_s", *(f"f0_{part.name}" for part in parts)])
    times_s = np.arange(0, max(part.end_s for part in parts), TRACK_HOP_S)
    tracks = np.zeros((len(times_s), len(parts)))
    for column, part in enumerate(parts):
        for note in part.notes:
            here = (times_s >= note.onset_s) & (times_s < note.offset_s)
            tracks[here, column] = 440 * 2 ** ((note.at(times_s[here]) - 69) / 12)
    writer.writerows(np.column_stack([times_s, tracks]).tolist())


if __name__ == "__main__":
    typer.run(main)
