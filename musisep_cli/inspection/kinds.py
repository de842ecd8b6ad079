"""Kinds: what an argument of `musisep inspect` is, without reading more than a JSON file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, TypeAlias

from musisep_cli.errors import InputError
from musisep_cli.run.folder.layout import MANIFEST
from musisep_cli.run.folder.manifest import FORMAT as MANIFEST_FORMAT
from musisep_cli.tones.dictionary import FORMAT as DICTIONARY_FORMAT

Kind: TypeAlias = Literal["sound", "separation", "dictionary", "env", "instruments"]
"""What can be inspected: a sound file, a run folder, a dictionary file, this machine, or the table
of instruments."""
INSTRUMENTS = "instruments"
"""The argument that means the table of instruments; a file of that name is ``./instruments``."""
ENVIRONMENT = "env"
"""The argument that means this machine; a file of that name is written ``./env``."""
_SHOWN_FOLDERS = 3
"""Number of folders that an error message names."""


def kind_of(what: str) -> tuple[Kind, Path]:
    """Return what an argument is, and its path; of a separation the path of its folder.

    Any file without the suffix .json counts as a sound file, whether it exists or not: reading it
    will tell.

    Raises:
        InputError: the argument is nothing that can be inspected; the message says what it is.

    >>> kind_of("env")
    ('env', PosixPath('env'))
    """
    path = Path(what)
    if what == ENVIRONMENT:
        return "env", path
    if what == INSTRUMENTS:
        return "instruments", path
    if is_folder(path):
        _check_folder(path)
        return "separation", path
    if path.suffix.lower() != ".json":
        return "sound", path
    form = _format(path)
    if form == DICTIONARY_FORMAT:
        return "dictionary", path
    if form == MANIFEST_FORMAT and path.name == MANIFEST:
        return "separation", path.parent
    raise InputError(
        f"{path}: is neither a dictionary nor the {MANIFEST} of a separation. Give a sound file, "
        f"the folder of a separation, a dictionary.json, or {ENVIRONMENT}."
    )


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False if a folder above it may not be read."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises


def is_file(path: Path) -> bool:
    """Return whether a path is a file; False if a folder above it may not be read."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises


def _format(path: Path) -> object:
    """Return the value of "format" in a JSON file, by which musisep marks its files, or None."""
    content = read_json(path)
    return content.get("format") if isinstance(content, dict) else None


def read_json(path: Path) -> object:
    """Read a JSON file, and return its content.

    Raises:
        InputError: the file cannot be read, or is not JSON.
    """
    try:
        content: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check the name and its permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is not a valid JSON file ({error}). Restore it, or separate again."
        ) from error
    return content


def _check_folder(path: Path) -> None:
    """Refuse a folder that holds no finished separation, and say what it holds instead."""
    if is_file(path / MANIFEST):
        return
    seeds = sorted(seed.parent.name for seed in path.glob("seeds/*/seed.json"))
    if seeds:
        raise InputError(
            f"{path}: is an unfinished separation (seeds done: {', '.join(seeds)}; no {MANIFEST}). "
            "Give its `musisep separate` command again to finish it."
        )
    if is_file(path / "seed.json"):
        raise InputError(
            f"{path}: is one seed of a separation. Give the folder of the separation: "
            f"{path.resolve().parents[1]}"
        )
    below = sorted(path.glob(f"*/{MANIFEST}")) or sorted(path.glob(f"*/*/{MANIFEST}"))
    if below:
        shown = " ".join(str(manifest.parent) for manifest in below[:_SHOWN_FOLDERS])
        more = len(below) - _SHOWN_FOLDERS
        raise InputError(
            f"{path}: is no separation, but holds some. Give them: {shown}"
            + (f" and {more} more" if more > 0 else "")
        )
    raise InputError(
        f"{path}: is no folder of a separation (no {MANIFEST}). Give one, say "
        "separated/musisep/mix, or a sound file."
    )
