"""Manifest: what made a separation, and whether a folder holds it already.

``manifest.json`` is written last. With the settings in it ``--config manifest.json`` separates
again, and by its input, settings and form of output a later run knows that nothing is to be done.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard

import numpy as np

from musisep_cli import __version__
from musisep_cli.errors import ConfigError, OutputError
from musisep_cli.machine import locks
from musisep_cli.machine.files import remove_leftovers, sha256
from musisep_cli.run.checkpoint import FRAMES
from musisep_cli.run.folder import layout, made_seeds
from musisep_cli.run.folder.differences import Manifest, refuse_other, refuse_other_seeds
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.compose import given_files
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.blockwise import Blockwise, energy
from musisep_cli.sound.recording import Recording

FORMAT = "musisep-manifest-1"
State: TypeAlias = Literal["new", "unfinished", "finished"]
_NEEDED = {"input", "config", "output", "stems", "chosen_seed", "ranking", "gain", "sum_error"}
_SUFFIXES = {".wav", ".flac", ".png", ".json", ".csv"}
_SEED_FILE = re.compile(
    r"instrument-\d+\.(wav|flac)|(dictionary|seed)\.json|(pitch|metrics)\.csv"
    r"|checkpoint\.pt|resume(-previous)?\.pt|" + FRAMES.pattern
)


def identity(recording: Recording, config: Config, folder: RunFolder) -> Manifest:
    """What a separation follows from. Runs that agree in it need not be made twice.

    The hash is of the samples as float32, so an excerpt differs from the whole, and the same sound
    in another format does not. Where they come from is told besides: ``start_s`` is null for all of
    a file. Files that settings name count by their content as well.

    Raises:
        ConfigError: one of them cannot be read.
    """
    samples = np.ascontiguousarray(recording.samples).reshape(-1)
    return {
        "version": __version__,
        "input": {
            "path": None if recording.path is None else str(recording.path.absolute()),
            "start_s": recording.start_s,
            "duration_s": round(recording.duration_s, 3),
            "sha256": hashlib.sha256(samples.data).hexdigest(),
            "sample_rate_hz": recording.sample_rate_hz,
            "n_samples": recording.n_samples,
            "n_channels": recording.n_channels,
        },
        "config": config.to_json(),
        "given_files": _given_files(config),
        "output": {
            "filename": folder.template,
            "format": folder.sound.extension,
            "subtype": folder.sound.subtype,
        },
    }


def _given_files(config: Config) -> Manifest:
    """Return hashes of the files that settings name; what comes with musisep is the version's."""
    digests: Manifest = {}
    for section, key, path in given_files(config.settings):
        digests.setdefault(section, {})[key] = _digest(f"[{section}] {key}", path)
    return digests


def _digest(setting: str, path: str) -> str:
    try:
        return sha256(Path(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{setting} = '{path}': cannot be read ({error}); give a file that is there"
        ) from error


def level(name: str, stem: Blockwise, recording: Recording, gain: float) -> Manifest:
    """How loud a stem ``[t, c]`` is as it is written, and its share of the recording's energy."""
    total = energy(stem)
    rms = gain * math.sqrt(total / math.prod(stem.shape))
    return {
        "name": name,
        "rms_dbfs": 20 * math.log10(rms) if rms > 0 else None,
        "energy_share": total / energy(recording.samples),
    }


def read(folder: RunFolder) -> Manifest | None:
    """The manifest of a folder; None if there is none.

    Raises:
        OutputError: it cannot be read, or is not musisep's.
    """
    try:
        content = json.loads(folder.manifest.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{folder.manifest}: cannot be read ({error}). --overwrite replaces the separation."
        ) from error
    if not _is_manifest(content):
        raise OutputError(
            f"{folder.manifest}: is not a manifest of this version of musisep. --overwrite "
            "replaces the separation."
        )
    return content


def _is_manifest(content: object) -> TypeGuard[Manifest]:
    if not isinstance(content, dict) or content.get("format") != FORMAT or _NEEDED - set(content):
        return False
    rows = content["ranking"], content["stems"]
    return all(isinstance(row, list) and all(isinstance(x, dict) for x in row) for row in rows)


def state(wanted: Manifest, folder: RunFolder) -> State:
    """Whether a folder holds the separation of this identity: all of it, a part, or nothing.

    Raises:
        OutputError: it holds another separation, or files of unknown origin.
    """
    manifest = read(folder)
    run = wanted["config"]["run"]
    if manifest is not None:
        refuse_other(manifest, wanted, folder)
        seeds = set(range(run["first_seed"], run["first_seed"] + run["seeds"]))
        ranked = {row.get("seed") for row in manifest["ranking"]}
        if seeds.union(made_seeds.numbers(folder)) <= ranked and _has_all(
            manifest, folder, run["instruments"]
        ):
            return "finished"
    refuse_other_seeds(wanted, folder)
    if manifest is not None or any(True for _ in folder.folder.glob("seeds/*/*")):
        return "unfinished"
    for name in (*layout.instrument_names(run["instruments"]), layout.RESIDUAL):
        path = folder.stem(name)
        if os.path.lexists(path):
            raise OutputError(
                f"{path}: is there already, and no {layout.MANIFEST} says that it is a stem of "
                "this recording. --overwrite replaces it, --out chooses another folder."
            )
    return "new"


def _has_all(manifest: Manifest, folder: RunFolder, n_instruments: int) -> bool:
    """Return whether every file that a manifest names is there, and all that are wanted."""
    found = listed_files(manifest, folder)
    wanted = {folder.stem(name).resolve() for name in folder.without_names(n_instruments)}
    there = {path.resolve() for path in found}
    return bool(found) and len(found) == len(manifest["files"]) and wanted <= there


def listed_files(manifest: Manifest, folder: RunFolder) -> list[Path]:
    """Files that a manifest names, those that are there and below the output folder."""
    entries = manifest.get("files")
    root = folder.root.resolve()
    paths = []
    for entry in entries if isinstance(entries, list) else []:
        path = Path(os.path.normpath(folder.folder / str(entry)))
        inside = root in path.parent.resolve().parents or path.parent.resolve() == root
        if inside and path.suffix.lower() in _SUFFIXES and path.is_file():
            paths.append(path)
    return paths


def clear(folder: RunFolder) -> None:
    """Remove an earlier separation and nothing else: its manifest first, then what it wrote.

    Without this, stems and seeds of the earlier one would stay among the new ones.

    Raises:
        OutputError: the file system refuses.
    """
    try:
        manifest = read(folder)
    except OutputError:
        manifest = None
    try:
        folder.manifest.unlink(missing_ok=True)
        for path in listed_files(manifest or {}, folder):
            path.unlink()
        for seed in folder.folder.glob("seeds/*"):
            _clear_seed(seed)
        remove_leftovers(folder.folder)
    except OSError as error:
        raise OutputError(
            f"{error.filename}: an earlier separation cannot be removed ({error.strerror}). "
            "Choose another folder with --out."
        ) from error


def _clear_seed(seed: Path) -> None:
    """Remove the files of one seed, and its folder if nothing else is in it."""
    if not re.fullmatch(r"\d{3,}", seed.name) or not seed.is_dir():
        return
    with locks.hold(seed, locks.PATIENCE_S):
        remove_leftovers(seed)
        learned = made_seeds.file_names(seed)  # a method's own files
        for path in seed.iterdir():
            if (_SEED_FILE.fullmatch(path.name) or path.name in learned) and path.is_file():
                path.unlink()
    if not any(seed.iterdir()):
        seed.rmdir()
