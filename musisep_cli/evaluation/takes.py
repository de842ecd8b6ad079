"""Takes: the stems, references and mixture of each separation, found in folders."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.sound.suffixes import SUFFIXES

NOT_STEMS = re.compile(r"residual|mix|rest$", re.IGNORECASE)
"""Start of the names of files that are no instrument's: residual, rest and mixture."""
MANIFEST = "manifest.json"
"""Name of the file by which a folder is known as a separation made by musisep."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Folders or files that the user wants compared, not yet looked into.

    Attributes:
        name: name of the take.
        stems: folders or files of the stems.
        references: folders or files of the references.
        mix: file of the mixture, if it was given.
        group: name of the run, if the stems are one of its seeds.
        seed: number of that seed.
    """

    name: str
    stems: tuple[Path, ...]
    references: tuple[Path, ...]
    mix: Path | None = None
    group: str | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Take:
    """The files that are compared.

    Attributes:
        stems: sound files of the stems.
        references: sound files of the references.
        mix: sound file of the mixture, if there is one.
        left_out: files that were found and are not compared, in words.
        notices: what the user should know of the choice.
        part_start_s: where the part of the recording begins that was separated, in s; None if that
            is not known, or all of it was.
    """

    stems: tuple[Path, ...]
    references: tuple[Path, ...]
    mix: Path | None
    left_out: tuple[str, ...]
    notices: tuple[str, ...]
    part_start_s: float | None = None


def plan(
    paths: Sequence[Path], references: Sequence[Path], mix: Path | None = None
) -> tuple[list[Request], list[str]]:
    """Turn the paths of a command line into requests.

    Args:
        paths: with ``references``: folders, each a take of its own, or files, which together are
            one take. Without: the path of the stems, and that of the references.
        references: folders or files of the references.
        mix: file of the mixture, if it was given.

    Returns:
        One request per take, and a notice for every path that was left out.

    Raises:
        ConfigError: there are no references, and not exactly two paths.
    """
    if not references:
        if len(paths) != 2:
            raise ConfigError(
                f"STEMS and REFS are two paths, and {len(paths)} given. For any other number of"
                " separations, or for single files, name the references with --refs."
            )
        paths, references = paths[:1], paths[1:]
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        name = paths[0].stem if len(paths) == 1 else paths[0].resolve().parent.name
        return [Request(name=name, stems=tuple(paths), references=tuple(references), mix=mix)], []
    notices = [f"{path}: a file among folders, left out." for path in paths if path not in folders]
    return [_folder_request(folder, folders, tuple(references), mix) for folder in folders], notices


def _folder_request(
    folder: Path, folders: Sequence[Path], references: tuple[Path, ...], mix: Path | None
) -> Request:
    """Return the request for one folder.

    If the references have a subfolder with the name of the folder, they are taken from there.
    """
    name = folder.resolve().name
    unique = sum(other.resolve().name == name for other in folders) == 1
    own = [reference / name for reference in references if (reference / name).is_dir()]
    return Request(
        name=name if unique else str(folder),
        stems=(folder,),
        references=tuple(own) or references,
        mix=mix,
    )


def seed_requests(request: Request) -> list[Request]:
    """Return one request for every seed of a run.

    Raises:
        InputError: the folder of the request holds no seeds.
    """
    folder = request.stems[0]
    seeds = [path for path in sorted(folder.glob("seeds/*/")) if path.name.isdecimal()]
    if not seeds:
        raise InputError(
            f"{folder}: has no seeds/000 and so on; --seeds needs the folder of a run by musisep."
        )
    return [
        replace(
            request,
            name=f"{request.name}, seed {int(seed.name)}",
            stems=(seed,),
            group=request.name,
            seed=int(seed.name),
        )
        for seed in seeds
    ]


def find(request: Request) -> Take:
    """Look into the folders of a request, and return the files to compare.

    Raises:
        InputError: there are no stems or references, or they seem to be swapped.
    """
    _check_not_swapped(request)
    stems, stem_extras = _audio(request.stems, "stems")
    references, reference_extras = _audio(request.references, "references")
    mixes = [path for path in reference_extras + stem_extras if _is_mix(path)]
    mix = request.mix or (mixes[0] if mixes else None)
    left_out = tuple(str(path) for path in stem_extras + reference_extras if path != mix)
    notices: tuple[str, ...] = ()
    if request.mix is None and len(mixes) > 1:
        notices = (f"taken as the mixture: {mix}, one of {len(mixes)}; choose with --mix.",)
    if mix in reference_extras + stem_extras:
        left_out = (*left_out, f"{mix} (taken as the mixture)")
    return Take(
        stems=stems,
        references=references,
        mix=mix,
        left_out=left_out,
        notices=notices,
        part_start_s=_part_start_s(request.stems[0]),
    )


def _part_start_s(folder: Path) -> float | None:
    """Return where the part begins that a run separated, in s; None for all of the recording."""
    manifest = next((path for path in _manifests(folder) if path.is_file()), None)
    if manifest is None:
        return None
    try:
        recording = json.loads(manifest.read_text(encoding="utf-8"))["input"]
        start_s, duration_s = recording["start_s"], recording["duration_s"]
        return None if not start_s and duration_s is None else float(start_s or 0.0)
    except (KeyError, TypeError, ValueError):
        return None  # files that another program may have written: their lengths tell enough


def _audio(paths: Sequence[Path], role: str) -> tuple[tuple[Path, ...], list[Path]]:
    """Return the sound files of paths and folders, and those left out because of their names.

    A file that the user names is always taken, even a residual; only folders are sifted.
    """
    files = [path for path in paths if not path.is_dir()]
    found = [inner for path in paths if path.is_dir() for inner in audio_files(path)]
    extras = [path for path in found if NOT_STEMS.match(path.stem)]
    chosen = (*files, *(path for path in found if path not in extras))
    if not chosen:
        raise InputError(_nothing_found(paths, role))
    return chosen, extras


def audio_files(folder: Path) -> list[Path]:
    """Return the sound files in a folder, sorted by name with numbers as numbers."""
    return [
        path
        for path in sorted(folder.iterdir(), key=_natural)
        if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
    ]


def _natural(path: Path) -> list[int | str]:
    """Return a key that sorts instrument-2 before instrument-10.

    >>> _natural(Path("instrument-10.wav"))
    ['instrument-', 10, '.wav']
    """
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts]


def _is_mix(path: Path) -> bool:
    """Return whether the name of a file says that it is a mixture."""
    return path.stem.lower().startswith("mix")


def _nothing_found(paths: Sequence[Path], role: str) -> str:
    """Return the message for folders without sound files, naming a subfolder that may be meant."""
    inner = [str(child) for path in paths for child in sorted(path.iterdir()) if child.is_dir()]
    advice = f"Did you mean {inner[0]}?" if inner else "A folder with wav or flac files is needed."
    return (
        f"{', '.join(map(str, paths))}: no {role} here (residual* and mix* do not count). {advice}"
    )


def _check_not_swapped(request: Request) -> None:
    """Refuse references that are the stems themselves, or a separation made by musisep."""
    if any(a.resolve() == b.resolve() for a in request.stems for b in request.references):
        raise InputError(f"{request.stems[0]}: given as stems and as references. Two are needed.")
    suspect = next((path for path in request.references if _is_run(path)), None)
    if suspect is None:
        return
    advice = (
        "Name the references with --refs; to compare two separations, name the files of one."
        if any(map(_is_run, request.stems))
        else "Are the folders swapped? The order is: musisep evaluate STEMS REFS"
    )
    raise InputError(
        f"{suspect}: given as references, but it is a separation (there is a {MANIFEST}). {advice}"
    )


def _is_run(folder: Path) -> bool:
    """Return whether a folder is a separation made by musisep, or one of its seeds/000."""
    return any(path.is_file() for path in _manifests(folder))


def _manifests(folder: Path) -> tuple[Path, Path]:
    """Return where the manifest of a run's folder, or of one of its seeds/000, would be."""
    return folder / MANIFEST, folder.resolve().parent.parent / MANIFEST
