"""Inputs: files, folders and patterns to recordings, each with a name of its own."""

from __future__ import annotations

import glob
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from musisep_cli.errors import InputError
from musisep_cli.sound.suffixes import SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Source:
    """A recording to separate.

    Attributes:
        path: path of the file, whether it is there or not.
        track: name of the recording's results below the output folder; may hold folders.
        error: why there is no recording, if an argument leads to none.
    """

    path: Path
    track: str
    error: str | None = None


@dataclass(frozen=True)
class _Found:
    """A file and the folder that it was found in, if an argument named a folder."""

    path: Path
    base: Path | None = None

    @property
    def folder(self) -> str:
        """Return the name of the folder that tells this file from one of its name elsewhere."""
        return (self.base or self.path.parent).absolute().name

    @property
    def name(self) -> Path:
        """Return the file's name; in a folder that was searched, its path below that folder."""
        return self.path.relative_to(self.base) if self.base else Path(self.path.name)

    @property
    def short_name(self) -> Path:
        """Return the name without its suffix; all of it if nothing else would be left."""
        stem = self.name.stem
        return self.name.with_name(stem) if stem.strip(". ") else self.name

    def names(self) -> list[Path]:
        """Return possible names, the shortest first; each tells more files apart than the last."""
        return [
            self.short_name,
            self.folder / self.short_name,
            self.name,
            self.folder / self.name,
        ]


def expand(arguments: Sequence[str], results: Path) -> list[Source]:
    """Return the recordings that arguments lead to, in their order, none of them twice.

    Arguments that lead to nothing come last, each as a source with its error.

    Args:
        arguments: files, folders (searched with their subfolders for sound files) and patterns,
            which some shells leave to the program.
        results: folder that musisep writes to; it is not searched. The output folder around it may
            be an argument even if it holds nothing else: a shell's * names it too.
    """
    found: dict[Path, _Found] = {}
    nothing = []
    for argument in arguments:
        try:
            for each in _search(argument, results):
                found.setdefault(each.path.resolve(), each)
        except InputError as error:
            nothing.append(Source(Path(argument), argument, str(error)))
    files = list(found.values())
    names = _distinct(files)
    tracks = [Source(each.path, name) for each, name in zip(files, names, strict=True)]
    return tracks + nothing


def _search(argument: str, results: Path) -> Iterator[_Found]:
    """Yield the files that one argument leads to.

    An argument is a pattern only if no file has exactly its name: names may hold brackets.

    Raises:
        InputError: no file matches a pattern, or a folder holds no sound files.
    """
    path = Path(argument)
    if path.is_dir():
        yield from _search_folder(path, results)
    elif not os.path.lexists(path) and glob.has_magic(argument):
        # Path.glob takes no absolute pattern.
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
        if not matches:
            raise InputError(f"{argument}: no file matches this pattern. Check it and the folder.")
        for match in map(Path, matches):
            yield from _search_folder(match, results) if match.is_dir() else [_Found(match)]
    else:
        yield _Found(path)  # missing or not: reading it says so


def _search_folder(folder: Path, results: Path) -> Iterator[_Found]:
    """Yield the sound files below a folder, without hidden ones and those that musisep wrote.

    Raises:
        InputError: there are none.
    """
    files: list[Path] = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name for name in subfolders if not _is_left_out(Path(parent, name), results)
        )
        files += [path for name in sorted(names) if _is_sound(path := Path(parent, name))]
    if not files and folder.resolve() != results.parent.resolve():
        raise InputError(
            f"{folder}: holds no sound files (wav, flac, mp3, m4a, mp4 and so on). "
            "Hidden files and musisep's own stems are left out."
        )
    yield from (_Found(path, folder) for path in files)


def _is_sound(path: Path) -> bool:
    """Return whether a file in a folder is taken for a sound, by its name.

    If it then cannot be read, the user is told: it is not silently left out.
    """
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix not in SUFFIXES:
        return False
    if suffix not in VIDEO_SUFFIXES:
        return True
    # Imported here, so that a folder without videos does not wait for it.
    from musisep_cli.sound.container_sound import is_without_sound

    return not is_without_sound(path)


def _is_left_out(folder: Path, results: Path) -> bool:
    """Return whether a subfolder is hidden, or holds results of musisep."""
    if folder.name.startswith(".") or folder.resolve() == results.resolve():
        return True
    if (folder / "seeds").is_dir() and any(folder.glob("seeds/*/seed.json")):
        return True
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and str(manifest.get("format")).startswith("musisep-")


def _distinct(files: Sequence[_Found]) -> list[str]:
    """Return a name for every file: the shortest that tells it from the others of the same name.

    >>> _distinct([_Found(Path("a/mix.wav")), _Found(Path("b/mix.wav")), _Found(Path("b/duo.wav"))])
    ['a/mix', 'b/mix', 'duo']
    >>> _distinct([_Found(Path("mix.wav")), _Found(Path("mix.flac"))])
    ['mix.wav', 'mix.flac']
    """
    alike = defaultdict(list)
    for file in files:
        alike[_key(file.short_name)].append(file)
    chosen: dict[_Found, Path] = {}
    for group in alike.values():
        levels = zip(*(file.names() for file in group), strict=True)
        told_apart = (level for level in levels if len(set(map(_key, level))) == len(group))
        names = next(told_apart, tuple(file.folder / file.name for file in group))
        chosen |= dict(zip(group, names, strict=True))
    number = numbering()
    return [number(str(chosen[file])) for file in files]


def numbering() -> Callable[[str], str]:
    """Return a function that returns the name it is given, numbered if it was given before.

    >>> number = numbering()
    >>> [number(name) for name in ("a", "a", "A", "a-2")]
    ['a', 'a-2', 'A-3', 'a-2-2']
    """
    taken: set[str] = set()
    last: dict[str, int] = {}  # so that a thousand files of one name are not a million tries

    def number(name: str) -> str:
        """Return a name, with the first number that makes it new if it was given before."""
        key = _key(name)
        candidate, count = name, last.get(key, 1)
        if count > 1:
            candidate = f"{name}-{count}"
        while _key(candidate) in taken:
            count += 1
            candidate = f"{name}-{count}"
        last[key] = count
        taken.add(_key(candidate))
        return candidate

    return number


def _key(name: Path | str) -> str:
    """Return a text that is equal for all names that some file system takes for the same.

    Some ignore case, and some write accents in another way.
    """
    return unicodedata.normalize("NFC", str(name)).casefold()
