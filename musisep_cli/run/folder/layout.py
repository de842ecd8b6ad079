"""Run folder: what a separation leaves on disk, and under which names.

    separated/musisep/mix/
      instrument-1.wav  instrument-2.wav  residual.wav    the chosen seed's stems; with the residual
                                                          they add up to the recording
      instrument-1.png  instrument-2.png  mix.png         spectrograms with one colour range
      instrument-1.json  instrument-2.json                identities: what the instruments are like
      dictionary.json  pitch.csv  manifest.json
      listen.html                                         made from all these, to hear them with
      seeds/000/                                          every seed's own stems, identities,
                                                          dictionary.json, pitch.csv, metrics.csv,
                                                          seed.json and checkpoint.pt; until it is
                                                          done resume.pt, resume-listening.frames

Instruments that were asked for have the names that they were asked for by; what is left of the
recording is then ``rest.wav``, unless the other instruments have stems too.

Every file is written under a temporary name and renamed, but for the frames, which are added to,
and of which only that counts that ``resume.pt`` tells of; ``manifest.json`` comes last, so a folder
that has one is complete. ``listen.html`` follows from the other files and is no part of the
separation.
"""

from __future__ import annotations

import os
import stat
import string
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musisep_cli.errors import ConfigError, OutputError
from musisep_cli.machine.files import make_folder
from musisep_cli.sound import audio_file

METHOD = "musisep"
"""Name of the folder below ``--out``, so that other programs' stems can lie beside it."""
DEFAULT_TEMPLATE = "{track}/{stem}.{ext}"
"""Path of a stem below that folder: one folder for each recording."""
MANIFEST = "manifest.json"
"""Name of the file that is written last and says that a separation is complete."""
RESIDUAL, REST = "residual", "rest"
"""Names of the last stem: of what all instruments leave of the recording, or only those that were
asked for."""
PAGE = "listen.html"
"""Name of the listening page."""


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """How stems are stored: number format of the samples, and end of the files' names."""

    subtype: audio_file.Subtype = "float32"
    extension: str = "wav"


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Where the files of one recording's separation lie.

    Attributes:
        out: folder that the user chose.
        track: name of the recording, perhaps with folders.
        template: path of a stem below ``out/musisep``, with {track}, {stem} and {ext}.
        sound: format of the stems.
        without: whether, for every instrument, the recording without it is written too.
        group: name of the folder below ``out``; another only where somebody moved a run.
        parts: names of the instruments' stems, where they are known; counted without.
        residual: name of the stem that holds what these leave of the recording.
        named: whether stems take the names of the instruments that they are surely nearest to.
    """

    out: Path
    track: str
    template: str = DEFAULT_TEMPLATE
    sound: SoundFormat = SoundFormat()
    without: bool = False
    group: str = METHOD
    parts: tuple[str, ...] = ()
    residual: str = RESIDUAL
    named: bool = False

    @property
    def root(self) -> Path:
        """Return the folder of all recordings that musisep separated."""
        return self.out / self.group

    @property
    def folder(self) -> Path:
        """Return the folder of everything but the stems; by default the stems are there too."""
        return self.root / self.track

    @property
    def manifest(self) -> Path:
        """Return the path of the file that says that the separation is complete."""
        return self.folder / MANIFEST

    @property
    def page(self) -> Path:
        """Return the path of the listening page."""
        return self.folder / PAGE

    def names(self, n_instruments: int) -> list[str]:
        """Return the names of the instruments' stems: those of the parts, or counted from 1.

        >>> RunFolder(out=Path("separated"), track="mix", parts=("oboe",)).names(1)
        ['oboe']
        """
        return list(self.parts) or instrument_names(n_instruments)

    def without_names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the recordings without an instrument, if they are wanted.

        Args:
            names: names of the instruments.

        >>> RunFolder(out=Path("separated"), track="mix", without=True).without_names(["oboe"])
        ['without-oboe']
        """
        return [f"without-{name}" for name in names] if self.without else []

    def stem(self, name: str) -> Path:
        """Return the path of a stem's sound file.

        >>> str(RunFolder(out=Path("separated"), track="mix").stem("instrument-1"))
        'separated/musisep/mix/instrument-1.wav'
        """
        return self._path(name, self.sound.extension)

    def picture(self, name: str) -> Path:
        """Return the path of a stem's spectrogram, beside its sound file."""
        return self._path(name, "png")

    def identity(self, name: str) -> Path:
        """Return the path of the file that says what a stem's instrument is like."""
        return self._path(name, "json")

    def seed(self, seed: int) -> Path:
        """Return the folder of one seed's own result."""
        return self.folder / "seeds" / f"{seed:03d}"

    def _path(self, stem: str, extension: str) -> Path:
        """Return the path that the template gives to a file of a stem."""
        return self.root / self.template.format(track=self.track, stem=stem, ext=extension)

    def check(self) -> None:
        """Make sure that the template names one file per stem, all inside the output folder.

        Raises:
            ConfigError: says what is wrong with the template.
        """
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise ConfigError(f"--filename '{self.template}': {error}") from error
        names = {name for _, name, _, _ in parts if name is not None}
        formatted = any(spec or conversion for _, _, spec, conversion in parts)
        if formatted or not {"stem", "ext"} <= names <= {"track", "stem", "ext"}:
            raise ConfigError(
                f"--filename '{self.template}': {{stem}} and {{ext}} are needed, {{track}} is "
                "allowed, and nothing else in braces"
            )
        root = self.root.resolve()
        for path in (self.stem("stem"), self.folder):
            if root not in path.resolve().parents:
                raise ConfigError(
                    f"--filename '{self.template}': leads out of the output folder {self.out}"
                )


def found_at(folder: Path, manifest: Mapping[str, Any]) -> RunFolder | None:
    """Return the layout of a finished run's folder, wherever it lies now; None if none fits.

    How many of the folders above it belong to the recording's name is not written down: it follows
    from where the first stem lies.

    Args:
        folder: holds the manifest.
        manifest: says how stems are named and stored.
    """
    output, files = manifest["output"], manifest["files"]
    names = [stem["name"] for stem in manifest["stems"]]
    place = folder.absolute()
    for depth in range(1, len(place.parts) - 1):
        root = place.parents[depth - 1]
        found = RunFolder(
            out=root.parent,
            track=str(place.relative_to(root)),
            template=output["filename"],
            sound=SoundFormat(subtype=output["subtype"], extension=output["format"]),
            without=any(Path(name).stem.startswith("without-") for name in files),
            group=root.name,
            residual=REST if names[-1:] == [REST] else RESIDUAL,
            named=bool(manifest.get("named", False)),
        )
        if names and os.path.relpath(found.stem(names[0]), place) in files:
            return found
    return None


def instrument_names(n_instruments: int) -> list[str]:
    """Return the names of the instruments' stems, counted from 1.

    >>> instrument_names(2)
    ['instrument-1', 'instrument-2']
    """
    return [f"instrument-{number}" for number in range(1, n_instruments + 1)]


def prepare(folder: RunFolder, n_instruments: int, n_channels: int) -> None:
    """Make the folders, and make sure that all can be written, before any work is done.

    Raises:
        ConfigError: the template is wrong, or the sound format cannot hold the channels.
        OutputError: the file system refuses.
    """
    folder.check()
    instruments = folder.names(n_instruments)
    names = (*instruments, folder.residual, *folder.without_names(instruments))
    stems = [folder.stem(name) for name in names]
    places = (*stems, folder.picture("mix"))
    for parent in {folder.folder, *(path.parent for path in places)}:
        make_folder(parent)
        try:
            # Permissions alone do not tell: a disk can be full or mounted read-only.
            with tempfile.TemporaryFile(dir=parent):
                pass
        except OSError as error:
            raise OutputError(
                f"{parent}: cannot be written to ({error.strerror}). Choose another with --out."
            ) from error
    for path in stems:
        audio_file.check_target(path, n_channels=n_channels, subtype=folder.sound.subtype)
        _check_place(path)


def _check_place(path: Path) -> None:
    """Refuse the path of a stem if the file system does not take it or a folder has it already.

    Raises:
        OutputError: it is such a path.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}).") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: is a folder, and a stem goes there. Choose another --out.")
