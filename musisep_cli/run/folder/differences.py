"""Differences: whether two separations are of the same run, and in words where they are not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from musisep_cli.errors import OutputError
from musisep_cli.run.folder import made_seeds
from musisep_cli.run.folder.layout import RunFolder

Manifest: TypeAlias = dict[str, Any]
SEED_SETTINGS = ("seeds", "first_seed")
_ORIGIN = ("path", "start_s", "duration_s")
_OTHER_SAMPLES = "another recording, or another part of it"
_SHOWN_DIFFERENCES = 3


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


def refuse_other(manifest: Manifest, wanted: Manifest, folder: RunFolder) -> None:
    """Refuse a folder whose separation is not the one that is wanted.

    Raises:
        OutputError: says where they differ.
    """
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


def refuse_other_seeds(wanted: Manifest, folder: RunFolder) -> None:
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
