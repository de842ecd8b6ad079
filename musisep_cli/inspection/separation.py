"""Separation: a finished run folder, read and checked.

Axes: ``h`` harmonics, ``i`` instruments, ``n`` frames.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.inspection.kinds import is_file, read_json
from musisep_cli.methods import registry
from musisep_cli.methods.method import Method, Shown
from musisep_cli.run.folder.layout import MANIFEST, RESIDUAL, REST
from musisep_cli.run.folder.manifest import FORMAT
from musisep_cli.run.folder.tables import CURVE, DICTIONARY, PITCH
from musisep_cli.run.settings.compose import remembered
from musisep_cli.run.settings.config import Config
from musisep_cli.tones.dictionary import load_any
from musisep_cli.tones.tracks import PitchTracks

PITCH_COLUMNS = ("instrument", "time_s", "f0_hz", "amplitude", "on")
"""Headings of the columns of ``pitch.csv``."""
CurveRow = dict[str, float]
"""One row of a training curve: heading of a column -> value."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """What a run folder holds.

    Attributes:
        folder: path of the folder.
        manifest: settings, choice and levels, as in ``manifest.json``.
        config: the settings, without those that this version does not know.
        dictionary: relative harmonic amplitudes, ``[h, i]``; None if the method learned none.
        tracks: pitch of every instrument.
        curves: training curve of every seed that has one.
    """

    folder: Path
    manifest: dict[str, Any]
    config: Config
    dictionary: NDArray[np.float32] | None
    tracks: PitchTracks
    curves: dict[int, list[CurveRow]]

    @property
    def method(self) -> Method:
        """Return the method that made the separation."""
        return registry.get(self.config.run.method)

    @property
    def n_steps(self) -> int:
        """Return the number of training steps that were asked for."""
        return self.method.n_steps(self.config.settings)

    def shown(self) -> Shown:
        """Return tables and pictures of what was learned."""
        return self.method.shown(self.folder, self.instrument_names)

    @property
    def name(self) -> str:
        """Return the name of the recording, which is that of the folder."""
        return self.folder.resolve().name

    @property
    def instruments(self) -> list[dict[str, Any]]:
        """Return what the manifest says of every instrument's stem."""
        return [stem for stem in self.manifest["stems"] if stem["name"] not in (RESIDUAL, REST)]

    @property
    def instrument_names(self) -> list[str]:
        """Return the names of the instruments' stems."""
        return [stem["name"] for stem in self.instruments]

    def seed_folder(self, seed: int) -> Path:
        """Return the folder of one seed's own result."""
        return self.folder / "seeds" / f"{seed:03d}"

    def sound_path(self, name: str) -> Path | None:
        """Return where the sound of a stem lies; None if it is not there.

        The manifest names the files of the stems first, in the order of the stems.
        """
        files = self.manifest.get("files", ())
        for stem, file in zip(self.manifest["stems"], files, strict=False):
            path: Path = self.folder / file
            if stem["name"] == name and path.suffix in (".wav", ".flac") and path.is_file():
                return path
        return None

    @property
    def residual(self) -> dict[str, Any] | None:
        """Return what the manifest says of the residual; None if it says nothing."""
        last = (RESIDUAL, REST)
        return next((stem for stem in self.manifest["stems"] if stem["name"] in last), None)

    @property
    def residual_name(self) -> str:
        """Return the name of the stem that holds what the others leave."""
        return RESIDUAL if self.residual is None else str(self.residual["name"])

    @property
    def is_whole(self) -> bool:
        """Return whether all instruments have stems, not only those that were asked for."""
        return self.method.is_whole(self.config.settings)


def read_separation(folder: Path) -> Separation:
    """Read the folder of a finished separation.

    Raises:
        InputError: a file is missing or damaged, or the files do not fit together.
        DictionaryError: the dictionary cannot be read.
    """
    manifest = _read_manifest(folder / MANIFEST)
    config = _settings(manifest, folder / MANIFEST)
    seeds = [row["seed"] for row in manifest["ranking"]]
    separation = Separation(
        folder=folder,
        manifest=manifest,
        config=config,
        dictionary=_dictionary(folder, manifest),
        tracks=read_pitch(folder / PITCH),
        curves=_read_curves(folder, seeds, registry.get(config.run.method).terms),
    )
    counts = {MANIFEST: len(separation.instruments), PITCH: separation.tracks.n_instruments}
    if separation.dictionary is not None:
        counts[DICTIONARY] = separation.dictionary.shape[1]
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise InputError(
            f"{folder}: its files tell of different numbers of instruments ({told}), so they are "
            "not of one separation. Separate again with --overwrite."
        )
    return separation


def _dictionary(folder: Path, manifest: dict[str, Any]) -> NDArray[np.float32] | None:
    """Return the dictionary ``[h, i]``, if the manifest names one.

    Raises:
        InputError: the manifest names a dictionary that is not there.
        DictionaryError: the file holds no dictionary.
    """
    if DICTIONARY not in manifest["files"]:
        return None
    array: NDArray[np.float32] = load_any(folder / DICTIONARY).numpy()
    return array


def _settings(manifest: dict[str, Any], path: Path) -> Config:
    """Return the settings of a manifest.

    Raises:
        InputError: the method or the preset is unknown, or a setting was changed by hand.
    """
    try:
        return remembered(manifest["config"])
    except ConfigError as error:
        raise InputError(
            f"{path}: its settings cannot be read ({error}). Restore it, or separate again with "
            "--overwrite."
        ) from error


def _read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest, and make sure that everything used of it is there.

    Raises:
        InputError: it is missing, incomplete, or of another version.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{path}: is not a manifest of this version of musisep (format {FORMAT}). Separate "
            "again with --overwrite."
        )
    try:
        _touch(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: is incomplete or was changed ({type(error).__name__}: {error}). Restore it, "
            "or separate again with --overwrite."
        ) from error
    return content


def _touch(manifest: dict[str, Any]) -> None:
    """Look at every entry that is used, and fail if one is missing or of the wrong type.

    Raises:
        KeyError: an entry is missing.
        TypeError: an entry is of the wrong type.
        ValueError: the chosen seed is not in the ranking.
    """
    ranking = manifest["ranking"]
    counts = [manifest["input"][name] for name in ("sample_rate_hz", "n_samples", "n_channels")]
    counts += [row[name] for row in ranking for name in ("seed", "n_skipped_steps")]
    numbers = [manifest[name] for name in ("gain", "sum_error", "wall_s")]
    numbers += [row["wall_s"] for row in ranking] + [row["objective"] or 0 for row in ranking]
    numbers += [stem["energy_share"] for stem in manifest["stems"]]
    numbers += [stem["rms_dbfs"] or 0 for stem in manifest["stems"]]
    texts = [manifest["config"]["preset"], manifest["chosen_by"], manifest["device"]]
    texts += [stem["name"] for stem in manifest["stems"]] + list(manifest["files"])
    for values, kinds in ((counts, int), (numbers, int | float), (texts, str)):
        for value in values:
            if not isinstance(value, kinds):
                raise TypeError(f"{value!r} is out of place")
    if manifest["chosen_seed"] not in [row["seed"] for row in ranking]:
        raise ValueError(f"chosen seed {manifest['chosen_seed']} is not in the ranking")


def read_pitch(path: Path) -> PitchTracks:
    """Read the pitch tracks in a ``pitch.csv``.

    Of several rows of an instrument at a time, each belongs to a voice, in their order.

    Raises:
        InputError: the file is missing or damaged, or not every voice has the same frames.
    """
    rows = [list(row.values()) for row in _read_table(path, PITCH_COLUMNS)]
    if not rows:
        raise InputError(f"{path}: holds no rows. Restore it, or separate again with --overwrite.")
    table = np.array(rows)
    n_frames = len(np.unique(table[:, 1]))
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    _, counts = np.unique(table[:, 0], return_counts=True)
    by_voice = _by_voice(table, counts, n_frames) if not (counts % n_frames).any() else None
    if by_voice is None or np.ptp(by_voice[:, :, 1], axis=0).any():
        raise InputError(
            f"{path}: has not the same frames for every instrument; it is cut off or was changed. "
            "Restore it, or separate again with --overwrite."
        )
    _, times_s, f0_hz, amplitude, on = np.moveaxis(by_voice, 2, 0)
    return PitchTracks(
        times_s=times_s[0],
        f0_hz=f0_hz,
        amplitude=amplitude,
        on=on > 0,
        players=tuple(np.repeat(np.arange(len(counts)), counts // n_frames).tolist()),
    )


def _by_voice(
    table: NDArray[np.float64], counts: NDArray[np.intp], n_frames: int
) -> NDArray[np.float64]:
    """Return the rows of every voice, ``[v, n, 5]``.

    Args:
        table: rows in the order of their instruments, and of their times.
        counts: number of rows of every instrument.
        n_frames: number of frames.
    """
    of_instruments = np.split(table, np.cumsum(counts)[:-1])
    return np.concatenate([rows.reshape(n_frames, -1, 5).swapaxes(0, 1) for rows in of_instruments])


def _read_curves(folder: Path, seeds: list[int], terms: Sequence[str]) -> dict[int, list[CurveRow]]:
    """Return the training curves of those seeds whose files are there."""
    paths = {seed: folder / "seeds" / f"{seed:03d}" / CURVE for seed in seeds}
    there = {seed: path for seed, path in paths.items() if is_file(path)}
    columns = ("iteration", *terms, "n_skipped")
    return {seed: list(_read_table(path, columns)) for seed, path in there.items()}


def _read_table(path: Path, columns: tuple[str, ...]) -> Iterator[CurveRow]:
    """Yield the rows of a CSV file as numbers; an empty cell, once not finite, is NaN.

    Raises:
        InputError: the file cannot be read, or a column or a number is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            try:
                for row in reader:
                    yield {name: _number(row[name]) for name in columns}
            except (KeyError, TypeError, ValueError, csv.Error) as error:
                raise InputError(
                    f"{path}, line {reader.line_num}: a column or a number is missing "
                    f"({type(error).__name__}: {error}). Restore the file, or separate again."
                ) from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Restore it, or separate again with "
            "--overwrite."
        ) from error


def _number(text: str) -> float:
    """Return a cell as a number; NaN if it is empty."""
    return math.nan if text == "" else float(text)
