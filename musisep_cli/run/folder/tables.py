"""Tables and pictures of a run: pitch tracks, training curves, spectrograms.

Axes: ``t`` samples, ``c`` channels, ``n`` frames, ``i`` instruments.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from musisep_cli import pictures
from musisep_cli.machine.files import atomic_path, write_json_atomic
from musisep_cli.methods.method import Result, StepReport
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.tones import dictionary, instruments
from musisep_cli.tones import identity as identities
from musisep_cli.tones.tracks import PitchTracks

DICTIONARY, PITCH, CURVE = "dictionary.json", "pitch.csv", "metrics.csv"
"""Names of the files of the learned dictionary, the pitch tracks and the training curve."""
STEM = "stem"
"""Column of the pitch tracks with the names of the stems, where these are not counted."""
LIKES = "likes.json"
"""Name of the file, in the folder of a seed, that says whether those are there who were asked for.
"""


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


def copy_pitch(source: Path, target: Path, names: Sequence[str]) -> Path:
    """Copy the pitch tracks of a seed into another folder, with other names of the stems.

    Args:
        source: folder of the seed.
        target: the folder.
        names: of the instruments' stems, for the last column of the table.

    Returns:
        The file that was written.
    """
    with (source / PITCH).open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        header = [column for column in rows.fieldnames or () if column != STEM]
        numbered = ((int(row["instrument"]), [row[column] for column in header]) for row in rows)
        named = ((*cells, *names[number - 1 : number]) for number, cells in numbered)
        _write_csv(target / PITCH, [*header, STEM], named)
    return target / PITCH


def identity(number: int) -> str:
    """Return the name of the file that says what an instrument, counted from 0, is like."""
    return f"identity-{number + 1}.json"


def write_identities(target: Path, result: Result, sample_rate_hz: int) -> list[Path]:
    """Write what every instrument is like into a folder, and who was asked for, if anyone was.

    Returns:
        The files that were written.
    """
    paths = []
    for number, stem in enumerate(result.stems):
        found = identities.learn(stem, sample_rate_hz, result.tracks, number)
        paths.append(target / identity(number))
        write_json_atomic(paths[-1], identities.to_json(found.named("a stem of a separation")))
    if result.likes:
        paths.append(target / LIKES)
        write_json_atomic(paths[-1], [dict(each) for each in result.likes])
    return paths


def read_likes(target: Path) -> list[dict[str, Any]]:
    """Return who was asked for, and how sure it is that they are there; empty for nobody."""
    path = target / LIKES
    return list(json.loads(path.read_text("utf-8"))) if path.exists() else []


def named(target: Path, names: Sequence[str]) -> list[str]:
    """Return the names of stems, with that of the nearest instrument where it is sure.

    Args:
        target: folder of the seed, with the identities of the stems.
        names: of the stems; only those of a number are changed.
    """
    found = [identities.load(target / identity(number)) for number in range(len(names))]
    return instruments.named(names, found)


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
    names = [STEM] if parts else []
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
