"""Run of `musisep inspect`: every argument in turn, whatever becomes of the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli import __version__
from musisep_cli.cli.inputs import numbering
from musisep_cli.cli.inspect.files import (
    draw_dictionary,
    draw_separation,
    draw_sound,
    is_folder,
    write_notes,
)
from musisep_cli.errors import ConfigError, InputError, MusisepError
from musisep_cli.inspection.character import Character, judge
from musisep_cli.inspection.environment import environment
from musisep_cli.inspection.estimate import Estimate, estimate
from musisep_cli.inspection.findings import Findings, find
from musisep_cli.inspection.kinds import Kind, is_file, kind_of
from musisep_cli.inspection.separation import read_dictionary, read_separation
from musisep_cli.inspection.sound import Sound, describe
from musisep_cli.machine.device import resolve_device
from musisep_cli.run.in_memory import default_preset
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording

if TYPE_CHECKING:
    import torch

    from musisep_cli.cli.inspect.report import Reporter


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked for.

    Attributes:
        what: the arguments.
        plots: folder for pictures.
        notes: file or folder for notes as CSV.
        midi: file or folder for notes as MIDI.
        n_instruments: that the estimate is for.
        device_name: that it is for.
        with_estimate: whether to measure at all.
    """

    what: tuple[str, ...]
    plots: Path | None
    notes: Path | None
    midi: Path | None
    n_instruments: int
    device_name: str
    with_estimate: bool


@dataclass(frozen=True, kw_only=True)
class SoundReport:
    """A sound file.

    Attributes:
        path: where it is.
        container: format and number format of the file, as libsndfile calls them.
        sound: its numbers.
        character: whether it sounds like melodic lines; None if it is too short to tell.
        estimate: what a separation takes, if asked for.
    """

    path: Path
    container: str
    sound: Sound
    character: Character | None
    estimate: Estimate | None

    def warnings(self) -> list[str]:
        """What speaks against a separation, in words."""
        parts = (self.sound, self.character, self.estimate)
        return [warning for part in parts if part is not None for warning in part.warnings()]


@dataclass(frozen=True, kw_only=True)
class DictionaryReport:
    """A dictionary file, ``[h, i]``."""

    path: Path
    dictionary: NDArray[np.float32]


Report: TypeAlias = SoundReport | Findings | DictionaryReport | dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Item:
    """An argument.

    Attributes:
        what: as it was given.
        kind: what it is, if it is anything.
        path: where it is.
        name: that its files start with; no two are alike.
        error: why it is nothing.
    """

    what: str
    kind: Kind | None
    path: Path
    name: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an argument: a report and written files, or an error, or both."""

    item: Item
    report: Report | None = None
    files: tuple[Path, ...] = ()
    error: str | None = None


def run(job: Job, reporter: Reporter) -> int:
    """Inspect everything; the exit code.

    Raises:
        MusisepError: nothing can be done at all; a single argument's error goes to the reporter.
    """
    device = resolve_device(job.device_name)
    run_settings = {"run": {"instruments": job.n_instruments}}
    config = resolved(compose(default_preset(device, job.n_instruments), run_settings), device)
    items = _items(job.what)
    _check(job, items)
    failed = False
    for item in items:
        outcome = _inspect(item, job, config, device, reporter)
        reporter.show(outcome)
        failed |= outcome.error is not None
    return 1 if failed else 0


def _items(arguments: Sequence[str]) -> list[Item]:
    """The arguments, each with a name of its own."""
    items: list[Item] = []
    number = numbering()
    for what in arguments:
        kind, path, error = None, Path(what), None
        try:
            kind, path = kind_of(what)
        except MusisepError as problem:
            error = str(problem)
        resolved = Path(os.path.realpath(path))  # Path.resolve fails in a circle of links
        name = number(resolved.name if kind == "separation" else resolved.stem)
        items.append(Item(what=what, kind=kind, path=path, name=name, error=error))
    return items


def _check(job: Job, items: Sequence[Item]) -> None:
    """Refuse options that do not go with the arguments, before any work is done."""
    for flag, target in (("--notes", job.notes), ("--midi", job.midi)):
        if target is None:
            continue
        others = [item.what for item in items if item.kind not in ("separation", None)]
        if others:
            raise ConfigError(
                f"{flag}: {others[0]} has no notes. Give the folders of finished separations only."
            )
        if len(items) > 1 and not is_folder(target):
            raise ConfigError(
                f"{flag} {target}: one file, and {len(items)} separations. Give a folder."
            )
    if job.plots is not None:
        if is_file(job.plots):
            raise ConfigError(f"--plots {job.plots}: is a file, and a folder is needed.")
        if any(item.kind == "env" for item in items):
            raise ConfigError("--plots: there are no pictures of env. Leave one of them out.")


def _inspect(
    item: Item, job: Job, config: Config, device: torch.device, reporter: Reporter
) -> Outcome:
    """One argument; an error stops it and no other, and keeps what there is already."""
    report: Report | None = None
    files: list[Path] = []
    try:
        if item.error is not None:
            raise InputError(item.error)
        if item.kind == "separation":
            report = find(read_separation(item.path))
            files.extend(write_notes(report, item.name, notes=job.notes, midi=job.midi))
            files.extend(draw_separation(report, item.name, job.plots))
        elif item.kind == "dictionary":
            report = DictionaryReport(path=item.path, dictionary=read_dictionary(item.path))
            files.extend(draw_dictionary(report.dictionary, item.name, job.plots))
        elif item.kind == "env":
            report = environment(__version__)
        else:
            recording = audio_file.read(item.path)
            with reporter.working(f"{item.path}: measuring"):
                report = _inspect_sound(recording, item.path, job, config, device)
            files.extend(draw_sound(recording, item.name, job.plots))
    except MusisepError as error:
        return Outcome(item=item, report=report, files=tuple(files), error=str(error))
    return Outcome(item=item, report=report, files=tuple(files))


def _inspect_sound(
    recording: Recording, path: Path, job: Job, config: Config, device: torch.device
) -> SoundReport:
    with audio_file.opened(path) as file:
        container = f"{file.format} {file.subtype}"
    return SoundReport(
        path=path,
        container=container,
        sound=describe(recording),
        character=judge(recording),
        estimate=estimate(recording, config, device) if job.with_estimate else None,
    )
