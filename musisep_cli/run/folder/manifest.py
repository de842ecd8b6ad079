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
from musisep_cli.sound.level import decibels
from musisep_cli.sound.recording import Recording

FORMAT = "musisep-manifest-1"
"""Name of the manifest's format; a file that names another one is not read."""
State: TypeAlias = Literal["new", "unfinished", "finished"]
"""How much of a separation a folder holds: nothing, a part, or all of it."""
_NEEDED = {"input", "config", "output", "stems", "chosen_seed", "ranking", "gain", "sum_error"}
"""Entries without which a file is not taken for a manifest."""
_SUFFIXES = {".wav", ".flac", ".png", ".json", ".csv"}
"""Ends of names of files that a separation writes; a manifest that was edited by hand cannot make
``--overwrite`` remove any other."""
_SEED_FILE = re.compile(
    r"instrument-\d+\.(wav|flac)|(dictionary|seed|likes|identity-\d+)\.json|(pitch|metrics)\.csv"
    r"|checkpoint\.pt|resume(-previous)?\.pt|" + FRAMES.pattern
)
"""Names of the files in the folder of a seed, whatever its method; only such are removed."""


def identity(recording: Recording, config: Config, folder: RunFolder) -> Manifest:
    """Return all that a separation follows from, as JSON values.

    Runs of equal identity need not be made twice. The recording counts by the SHA-256 of its
    samples as float32: a part of it differs from the whole, the same sound in another file format
    does not. Its path and the part's place are noted too; ``start_s`` is null for all of a file.
    Files that settings name count by their content, not by their names alone.

    Raises:
        ConfigError: a file that a setting names cannot be read.
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
        digest, of_section = _digest(f"[{section}] {key}", path), digests.setdefault(section, {})
        # Of a list of files all count, in its order.
        of_section[key] = f"{of_section[key]} {digest}" if key in of_section else digest
    return digests


def _digest(setting: str, path: str) -> str:
    """Return the SHA-256 of a file that a setting names.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return sha256(Path(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{setting} = '{path}': cannot be read ({error}); give a file that is there"
        ) from error


def level(name: str, stem: Blockwise, recording: Recording, gain: float) -> Manifest:
    """Return the level of a stem ``[t, c]`` and its share of the recording's energy, 0 to 1.

    The level is the RMS in dBFS of what is written, after the common gain; None for silence.
    """
    total = energy(stem)
    rms = gain * math.sqrt(total / math.prod(stem.shape))
    return {
        "name": name,
        "rms_dbfs": decibels(rms),
        "energy_share": total / energy(recording.samples),
    }


def read(folder: RunFolder) -> Manifest | None:
    """Return the manifest of a folder; None if there is none.

    Raises:
        OutputError: the file cannot be read, or is not a manifest of this version of musisep.
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
    """Return whether a JSON value has the format and the entries of a manifest."""
    if not isinstance(content, dict) or content.get("format") != FORMAT or _NEEDED - set(content):
        return False
    rows = content["ranking"], content["stems"]
    return all(isinstance(row, list) and all(isinstance(x, dict) for x in row) for row in rows)


def state(wanted: Manifest, folder: RunFolder) -> State:
    """Return how much a folder holds of the separation of an identity: all, a part, or nothing.

    Args:
        wanted: the identity.
        folder: where the separation is looked for.

    Raises:
        OutputError: the folder holds another separation, or stems of unknown origin.
    """
    manifest = read(folder)
    run = wanted["config"]["run"]
    if manifest is not None:
        refuse_other(manifest, wanted, folder)
        seeds = set(range(run["first_seed"], run["first_seed"] + run["seeds"]))
        ranked = {row.get("seed") for row in manifest["ranking"]}
        if seeds.union(made_seeds.numbers(folder)) <= ranked and _has_all(manifest, folder):
            return "finished"
    refuse_other_seeds(wanted, folder)
    if manifest is not None or any(True for _ in folder.folder.glob("seeds/*/*")):
        return "unfinished"
    for name in (*folder.names(run["instruments"]), folder.residual):
        path = folder.stem(name)
        if os.path.lexists(path):
            raise OutputError(
                f"{path}: is there already, and no {layout.MANIFEST} says that it is a stem of "
                "this recording. --overwrite replaces it, --out chooses another folder."
            )
    return "new"


def _has_all(manifest: Manifest, folder: RunFolder) -> bool:
    """Return whether every file is there that a manifest names or that is asked for now.

    Asked for now may be the recordings without an instrument, or stems with the names of known
    instruments, which an earlier call did not write.
    """
    if folder.named != manifest.get("named", False):
        return False
    found = listed_files(manifest, folder)
    names = [stem.get("name") for stem in manifest["stems"]]
    instruments = [str(name) for name in names if name not in (layout.RESIDUAL, layout.REST)]
    wanted = {folder.stem(name).resolve() for name in folder.without_names(instruments)}
    there = {path.resolve() for path in found}
    return bool(found) and len(found) == len(manifest["files"]) and wanted <= there


def listed_files(manifest: Manifest, folder: RunFolder) -> list[Path]:
    """Return the files that a manifest names, as far as they are there.

    Left out are paths that lead out of the output folder, through links too, and files of kinds
    that no separation writes: the result may be removed.
    """
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
    """Remove the separation in a folder and nothing else: its manifest first, then its files.

    Otherwise stems and seeds of the earlier separation would stay among those of the new one.

    Raises:
        OutputError: the file system refuses.
    """
    try:
        manifest = read(folder)
    except OutputError:
        manifest = None
    try:
        folder.manifest.unlink(missing_ok=True)
        folder.page.unlink(missing_ok=True)
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
