"""Tables and pictures of a run: pitch tracks, training curves, spectrograms.

Axes: ``t`` samples, ``c`` channels, ``n`` frames, ``i`` instruments.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from musisep_cli import pictures
from musisep_cli.machine.files import atomic_path, write_json_atomic
from musisep_cli.methods.method import Result, StepReport
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.tones import dictionary
from musisep_cli.tones.tracks import PitchTracks

DICTIONARY, PITCH, CURVE = "dictionary.json", "pitch.csv", "metrics.csv"
"""Names of the files of the learned dictionary, the pitch tracks and the training curve."""


def write_learned(target: Path, result: Result, parts: Sequence[str] = ()) -> list[Path]:
    """Write pitch tracks and, if there is one, the dictionary into a folder.

    Args:
        target: the folder.
        result: what was found.
        parts: names of the instruments' stems, where they are not counted.

    Returns:
        The files that were written.
    """
    paths = [target / PITCH]
    _write_pitch(paths[0], result.tracks, parts)
    if result.dictionary is not None:
        paths.append(target / DICTIONARY)
        write_json_atomic(paths[1], dictionary.to_json(torch.from_numpy(result.dictionary)))
    return paths


def write_pictures(
    folder: RunFolder,
    sounds: Mapping[str, Blockwise],
    sample_rate_hz: int,
) -> list[Path]:
    """Write spectrograms of the mix and the stems, all with the mix's colour range.

    Args:
        folder: of the run; it says where the pictures go.
        sounds: name -> sound ``[t, c]``, the recording under the name "mix".
        sample_rate_hz: sample rate of all of them.

    Returns:
        The files that were written, in the order of the sounds.
    """
    range_db = pictures.colour_range(sounds["mix"], sample_rate_hz)
    track = Path(folder.track).name
    paths = []
    for name, sound in sounds.items():
        path = folder.picture(name)
        title = track if name == "mix" else f"{track}: {name}"
        pictures.write_spectrogram(path, sound, sample_rate_hz, title=title, range_db=range_db)
        paths.append(path)
    return paths


def write_curve(path: Path, curve: Sequence[StepReport], terms: Sequence[str]) -> None:
    """Write a training curve, one row per stretch of steps.

    A term that was never finite stays empty.
    """
    header = ["iteration", *terms, "n_skipped"]
    rows = (
        [
            report.iteration,
            *(_cell(report.terms[term]) for term in terms),
            report.n_skipped,
        ]
        for report in curve
    )
    _write_csv(path, header, rows)


def _cell(value: float) -> float | str:
    """Return a number as it stands in a table: empty if it is not finite."""
    return value if math.isfinite(value) else ""


def _write_pitch(path: Path, pitch: PitchTracks, parts: Sequence[str]) -> None:
    """Write pitch tracks, one row per frame and voice, instruments counted from 1.

    An instrument that plays chords has as many rows of a frame as it has voices, in their order.

    Where stems have the names of parts, a last column holds them.
    """
    rows = (
        (
            player + 1,
            f"{time_s:.4f}",
            f"{pitch.f0_hz[voice, n]:.3f}",
            f"{pitch.amplitude[voice, n]:.6g}",
            int(pitch.on[voice, n]),
            *parts[player : player + 1],
        )
        for n, time_s in enumerate(pitch.times_s)
        for voice, player in enumerate(pitch.of_voices)
    )
    names = ["stem"] if parts else []
    _write_csv(path, ["instrument", "time_s", "f0_hz", "amplitude", "on", *names], rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all, with the same line ends on every system."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
