"""Run folder: what a separation leaves on disk, and under which names.

    separated/musisep/mix/
      instrument-1.wav  instrument-2.wav  residual.wav    the chosen seed's stems; with the residual
                                                          they add up to the recording
      instrument-1.png  instrument-2.png  mix.png         spectrograms with one colour range
      dictionary.json  pitch.csv  manifest.json
      seeds/000/                                          every seed's own stems, dictionary.json,
                                                          pitch.csv, metrics.csv, seed.json and
                                                          checkpoint.pt; until it is done resume.pt
                                                          and resume-listening.frames

Every file is written under a temporary name and renamed, but for the frames, which are added to,
and of which only that counts that ``resume.pt`` tells of; ``manifest.json`` comes last, so a folder
that has one is complete.
"""

from __future__ import annotations

import csv
import math
import stat
import string
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch

from musisep_cli import pictures
from musisep_cli.errors import ConfigError, OutputError
from musisep_cli.machine.files import atomic_path, write_json_atomic
from musisep_cli.methods.policy.trainer import StepReport
from musisep_cli.run.result import SeedResult
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import Blockwise, mono
from musisep_cli.tones import dictionary
from musisep_cli.tones.tracks import PitchTracks

METHOD = "musisep"
DEFAULT_TEMPLATE = "{track}/{stem}.{ext}"
MANIFEST = "manifest.json"
RESIDUAL = "residual"
PARAMETERS = ("dictionary.json", "pitch.csv")
"""What was learned."""


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """How stems are stored."""

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
    """

    out: Path
    track: str
    template: str = DEFAULT_TEMPLATE
    sound: SoundFormat = SoundFormat()

    @property
    def root(self) -> Path:
        """Folder of all recordings separated by this method."""
        return self.out / METHOD

    @property
    def folder(self) -> Path:
        """Folder of everything but the stems, and by default of the stems too."""
        return self.root / self.track

    @property
    def manifest(self) -> Path:
        """The file that says that the separation is complete."""
        return self.folder / MANIFEST

    def stem(self, name: str) -> Path:
        """Sound file of a stem.

        >>> str(RunFolder(out=Path("separated"), track="mix").stem("instrument-1"))
        'separated/musisep/mix/instrument-1.wav'
        """
        return self._path(name, self.sound.extension)

    def picture(self, name: str) -> Path:
        """Spectrogram of a stem, beside its sound file."""
        return self._path(name, "png")

    def seed(self, seed: int) -> Path:
        """Folder of one seed's own result."""
        return self.folder / "seeds" / f"{seed:03d}"

    def _path(self, stem: str, extension: str) -> Path:
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


def instrument_names(n_instruments: int) -> list[str]:
    """Names of the stems.

    >>> instrument_names(2)
    ['instrument-1', 'instrument-2']
    """
    return [f"instrument-{number}" for number in range(1, n_instruments + 1)]


def prepare(folder: RunFolder, n_instruments: int, n_channels: int) -> None:
    """Make the folders, and make sure that all can be written, before any work is done.

    Raises:
        ConfigError: the template or the sound format does not do.
        OutputError: the file system refuses.
    """
    folder.check()
    stems = [folder.stem(name) for name in (*instrument_names(n_instruments), RESIDUAL)]
    for parent in {folder.folder, *(path.parent for path in stems)}:
        make_folder(parent)
        try:
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
    """Refuse a name that the file system does not take, or that a folder has."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}).") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: is a folder, and a stem goes there. Choose another --out.")


def write_parameters(target: Path, result: SeedResult) -> list[Path]:
    """What was learned."""
    paths = [target / name for name in PARAMETERS]
    write_json_atomic(paths[0], dictionary.to_json(torch.from_numpy(result.dictionary)))
    _write_pitch(paths[1], result.pitch)
    return paths


def write_pictures(
    folder: RunFolder,
    sounds: Mapping[str, Blockwise],
    sample_rate_hz: int,
) -> list[Path]:
    """Spectrograms of the mix and the stems ``[t, c]``, all with the mix's colour range."""
    range_db = pictures.colour_range(mono(sounds["mix"]), sample_rate_hz)
    track = Path(folder.track).name
    paths = []
    for name, sound in sounds.items():
        path = folder.picture(name)
        title = track if name == "mix" else f"{track}: {name}"
        pictures.write_spectrogram(
            path, mono(sound), sample_rate_hz, title=title, range_db=range_db
        )
        paths.append(path)
    return paths


def write_curve(path: Path, curve: Sequence[StepReport]) -> None:
    """Training curve, one row per stretch of steps; a term that was never finite stays empty."""
    header = [field.name for field in fields(StepReport)]
    rows = ([v if math.isfinite(v) else "" for v in astuple(report)] for report in curve)
    _write_csv(path, header, rows)


def _write_pitch(path: Path, pitch: PitchTracks) -> None:
    """Pitch tracks, one row per frame and instrument, instruments counted from 1."""
    rows = (
        (
            i + 1,
            f"{time_s:.4f}",
            f"{pitch.f0_hz[i, n]:.3f}",
            f"{pitch.amplitude[i, n]:.6g}",
            int(pitch.on[i, n]),
        )
        for n, time_s in enumerate(pitch.times_s)
        for i in range(len(pitch.f0_hz))
    )
    _write_csv(path, ["instrument", "time_s", "f0_hz", "amplitude", "on"], rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        OutputError: the file system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be created ({error.strerror}); choose a writable folder with --out"
        ) from error
