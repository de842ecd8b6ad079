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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy as np

from musisep_cli import __version__
from musisep_cli.errors import ConfigError, OutputError
from musisep_cli.machine import locks
from musisep_cli.machine.files import remove_leftovers, sha256
from musisep_cli.methods.policy.warmstart.weights import BUILTIN
from musisep_cli.run.checkpoint import FRAMES
from musisep_cli.run.folder import layout, made_seeds
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.blockwise import Blockwise, energy
from musisep_cli.sound.recording import Recording

FORMAT = "musisep-manifest-1"
Manifest: TypeAlias = dict[str, Any]
State: TypeAlias = Literal["new", "unfinished", "finished"]
SEED_SETTINGS = ("seeds", "first_seed")
_ORIGIN = ("path", "start_s", "duration_s")
_OTHER_SAMPLES = "another recording, or another part of it"
_SHOWN_DIFFERENCES = 3
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
    """Hashes of the files that settings name; the weights inside the package are the version's."""
    weights = config.warmstart.weights
    named = {
        ("dictionary", "init_file"): config.dictionary.init_file,
        ("warmstart", "weights"): "" if weights == BUILTIN else weights,
    }
    return {
        section: {name: _digest(f"[{section}] {name}", path)}
        for (section, name), path in named.items()
        if path
    }


def _digest(setting: str, path: str) -> str:
    try:
        return sha256(Path(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{setting} = '{path}': cannot be read ({error}); give a file that is there"
        ) from error


def fingerprint(content: Manifest) -> str:
    """The identity as a hash, the same for all seeds of a run."""
    text = json.dumps(essence(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def essence(content: Manifest) -> Manifest:
    """The identity but for what results do not follow from.

    That is where the samples come from, and the seeds: they are made one by one, and added to.
    """
    config = content.get("config")
    if isinstance(config, dict):
        config = {**config, "run": _without(SEED_SETTINGS, config.get("run"))}
    return {**content, "input": _without(_ORIGIN, content.get("input")), "config": config}


def _without(names: Sequence[str], content: object) -> object:
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if name not in names}


def level(name: str, stem: Blockwise, recording: Recording, gain: float) -> Manifest:
    """How loud a stem ``[t, c]`` is as it is written, and its share of the recording's energy."""
    total = energy(stem)
    rms = gain * math.sqrt(total / math.prod(stem.shape))
    return {
        "name": name,
        "rms_dbfs": 20 * math.log10(rms) if rms > 0 else None,
        "energy_share": total / energy(recording.samples),
    }


def trained(manifest: Manifest) -> bool:
    """Whether there were training steps, some of which may have been skipped."""
    return bool(manifest["config"]["training"]["iterations"])


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
        _refuse_other(manifest, wanted, folder)
        seeds = set(range(run["first_seed"], run["first_seed"] + run["seeds"]))
        ranked = {row.get("seed") for row in manifest["ranking"]}
        if seeds.union(made_seeds.numbers(folder)) <= ranked and _has_all(manifest, folder):
            return "finished"
    _refuse_other_seeds(wanted, folder)
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


def _has_all(manifest: Manifest, folder: RunFolder) -> bool:
    """Whether every file that a manifest names is there."""
    found = listed_files(manifest, folder)
    return bool(found) and len(found) == len(manifest["files"])


def _refuse_other(manifest: Manifest, wanted: Manifest, folder: RunFolder) -> None:
    found = differences(essence(manifest), essence(wanted))
    if found == [_OTHER_SAMPLES]:
        raise OutputError(f"{folder.folder}: {_other_input(manifest['input'], wanted['input'])}")
    version = manifest.get("version")
    if version != wanted["version"]:  # before the settings: versions have different ones
        raise OutputError(
            f"{folder.folder}: was made by musisep {version}, this is {wanted['version']}, whose "
            "results may differ. --overwrite makes it again, --out keeps both."
        )
    if found:
        raise OutputError(
            f"{folder.folder}: holds a separation with other settings ({_listed(found)}). "
            "--overwrite replaces it, --out chooses another folder."
        )


def _refuse_other_seeds(wanted: Manifest, folder: RunFolder) -> None:
    """Refuse seeds that could not be ranked with those of this run, and would be left out."""
    others: dict[str, list[int]] = {}
    for seed, made_from in made_seeds.of_other_runs(folder, fingerprint(wanted)).items():
        others.setdefault(_why_other(made_from, wanted), []).append(seed)
    if not others:
        return
    found = [f"{', '.join(map(str, seeds))} ({why})" for why, seeds in others.items()]
    remedy = "--overwrite replaces them, --out chooses another folder."
    if folder.manifest.exists():  # and is of this run: all else there is to be kept
        remedy = (
            f"Remove their folders in {folder.folder / 'seeds'}; made by this version with "
            f"--config {folder.manifest} they fit."
        )
    raise OutputError(f"{folder.folder}: holds seeds of another run: {_listed(found)}. {remedy}")


def _why_other(made_from: object, wanted: Manifest) -> str:
    """Where a seed differs from what is wanted; of a release's seed that is not known."""
    if not isinstance(made_from, dict):
        return "made by another version of musisep"
    return _listed(differences(made_from, essence(wanted))) or "changed"


def _other_input(old: object, new: Manifest) -> str:
    """What a folder holds that was made of other samples, and what to do."""
    old = old if isinstance(old, dict) else {}
    path = old.get("path")
    if path is None or path != new.get("path"):
        named = "" if path is None else f", {path}"
        return (
            f"holds the separation of another recording{named}. Give each its own --out, or name "
            "them all in one command, which keeps them apart; --overwrite replaces it."
        )
    if _part(old) == _part(new):
        return (
            f"holds the separation of {path} as it was, and that has changed since. --overwrite "
            "separates it again, --out keeps both."
        )
    return (
        f"holds the separation of another part of this recording ({_part(old)}; now {_part(new)})."
        " Give each part its own --out, or replace it with --overwrite."
    )


def _part(source: Manifest) -> str:
    """A part of a recording as the flags that ask for it.

    >>> _part({"start_s": 1.5, "duration_s": 2.0})
    '--start 1.5 --duration 2.0'
    """
    if source.get("start_s") is None:
        return "all of it"
    return f"--start {source['start_s']} --duration {source.get('duration_s')}"


def differences(manifest: Manifest, wanted: Manifest) -> list[str]:
    """In words, where a manifest differs from what is wanted.

    >>> differences({"config": {"run": {"threads": 1}}}, {"config": {"run": {"threads": 2}}})
    ['[run] threads = 1, now 2']
    >>> was, now = ({"given_files": {"warmstart": {"weights": digest}}} for digest in ("ab", "cd"))
    >>> differences(was, now)
    ['[warmstart] weights holds something else than then']
    """
    old = dict(_leaves({name: manifest.get(name) for name in wanted}))
    new = dict(_leaves(wanted))
    changed = [key for key in new if key not in old or old[key] != new[key]]
    if any(key[0] == "input" for key in changed):
        return [_OTHER_SAMPLES]
    texts: dict[str, str] = {}
    for key in changed:  # of a file with another name, the name says enough
        texts.setdefault(_name(key), _difference(key, old.get(key), new[key]))
    return list(texts.values())


def _leaves(
    content: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _name(key: tuple[str, ...]) -> str:
    """A setting as in a TOML file, or what else was given."""
    part, *names = key
    is_setting = part in ("config", "given_files") and names[1:]
    return f"[{names[0]}] {names[-1]}" if is_setting else key[-1]


def _difference(key: tuple[str, ...], old: object, new: object) -> str:
    if key[0] == "given_files":
        return f"{_name(key)} holds something else than then"
    return f"{_name(key)} = {old}, now {new}"


def _listed(found: Sequence[str]) -> str:
    more = len(found) - _SHOWN_DIFFERENCES
    shown = "; ".join(found[:_SHOWN_DIFFERENCES])
    return f"{shown}; and {more} more" if more > 0 else shown


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
        for path in seed.iterdir():
            if _SEED_FILE.fullmatch(path.name) and path.is_file():
                path.unlink()
    if not any(seed.iterdir()):
        seed.rmdir()
