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
"""A manifest or an identity: JSON values, the sections by their names."""
SEED_SETTINGS = ("seeds", "first_seed")
"""Settings in ``[run]`` that say which seeds are asked for; no seed's result depends on them."""
_ORIGIN = ("path", "start_s", "duration_s")
"""Entries of ``input`` that say where samples came from; the hash beside them says which they are.
"""
_OTHER_SAMPLES = "another recording, or another part of it"
"""Stands for every difference in ``input``: a list of hashes would tell nobody anything."""
_SHOWN_DIFFERENCES = 3
"""Number of differences that a message lists, so that it stays readable; the others are counted."""


def fingerprint(content: Manifest) -> str:
    """Return the SHA-256 of an identity's essence, the same for all seeds of a run."""
    text = json.dumps(essence(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def essence(content: Manifest) -> Manifest:
    """Return the identity without what results do not depend on.

    Left out are where the samples came from, and which seeds were asked for: seeds are made one by
    one, and a later call may add more.
    """
    config = content.get("config")
    if isinstance(config, dict):
        config = {**config, "run": _without(SEED_SETTINGS, config.get("run"))}
    return {**content, "input": _without(_ORIGIN, content.get("input")), "config": config}


def _without(names: Sequence[str], content: object) -> object:
    """Return a mapping without the entries of some names; return anything else as it is."""
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if name not in names}


def refuse_other(manifest: Manifest, wanted: Manifest, folder: RunFolder) -> None:
    """Refuse a folder whose separation is not the one that is wanted.

    Args:
        manifest: of the separation that the folder holds.
        wanted: identity of the separation that is wanted.
        folder: named in the message.

    Raises:
        OutputError: the two differ; the message says in what.
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
    """Refuse a folder that holds seeds of another run.

    They could not be ranked with the seeds of this run, and would silently be left out.

    Raises:
        OutputError: there are such seeds; the message says which, and in what they differ.
    """
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
    """Return in words how the run that made a seed differs from the one that is wanted.

    Args:
        made_from: the essence in the seed's summary; anything but a dict if the seed comes from a
            version of musisep that wrote none.
        wanted: identity of the run that is wanted.
    """
    if not isinstance(made_from, dict):
        return "made by another version of musisep"
    return _listed(differences(made_from, essence(wanted))) or "changed"


def _other_input(old: object, new: Manifest) -> str:
    """Return in words what a folder holds whose separation is of other samples, and what to do.

    Args:
        old: ``input`` of the folder's manifest.
        new: ``input`` of the identity that is wanted.
    """
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
    """Return the flags that ask for a part of a recording.

    >>> _part({"start_s": 1.5, "duration_s": 2.0})
    '--start 1.5 --duration 2.0'
    """
    if source.get("start_s") is None:
        return "all of it"
    return f"--start {source['start_s']} --duration {source.get('duration_s')}"


def differences(manifest: Manifest, wanted: Manifest) -> list[str]:
    """Return in words each setting or input in which a manifest differs from what is wanted.

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
    """Yield every value below nested mappings, with the names that lead to it."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _name(key: tuple[str, ...]) -> str:
    """Return a setting's name as ``[section] key``; of anything else the last of its names."""
    part, *names = key
    is_setting = part in ("config", "given_files") and names[1:]
    return f"[{names[0]}] {names[-1]}" if is_setting else key[-1]


def _difference(key: tuple[str, ...], old: object, new: object) -> str:
    """Return in words how one value differs; of a file only that its content does."""
    if key[0] == "given_files":
        return f"{_name(key)} holds something else than then"
    return f"{_name(key)} = {old}, now {new}"


def _listed(found: Sequence[str]) -> str:
    """Return the first differences as one line, and the number of the others."""
    more = len(found) - _SHOWN_DIFFERENCES
    shown = "; ".join(found[:_SHOWN_DIFFERENCES])
    return f"{shown}; and {more} more" if more > 0 else shown
