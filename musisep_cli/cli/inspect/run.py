"""Run of `musisep inspect`: every argument in turn, whatever becomes of the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musisep_cli import __version__
from musisep_cli.cli.inputs import numbering
from musisep_cli.cli.inspect.files import (
    draw_dictionary,
    draw_separation,
    draw_sound,
    is_folder,
    write_notes,
)
from musisep_cli.cli.inspect.job import (
    DictionaryReport,
    InstrumentsReport,
    Item,
    Job,
    Outcome,
    Report,
    SoundReport,
)
from musisep_cli.errors import ConfigError, InputError, MusisepError
from musisep_cli.inspection.character import judge
from musisep_cli.inspection.environment import environment
from musisep_cli.inspection.estimate import estimate
from musisep_cli.inspection.findings import find
from musisep_cli.inspection.kinds import is_file, kind_of
from musisep_cli.inspection.page.write import write_page
from musisep_cli.inspection.separation import read_separation
from musisep_cli.inspection.sound import describe
from musisep_cli.machine.device import resolve_device
from musisep_cli.methods import registry
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.sound import audio_file
from musisep_cli.sound.opening import opened
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.dictionary import load_any
from musisep_cli.tones.instruments import names

if TYPE_CHECKING:
    import torch

    from musisep_cli.cli.inspect.report import Reporter


def run(job: Job, reporter: Reporter) -> int:
    """Inspect every argument, and return the exit code.

    Raises:
        MusisepError: nothing can be done at all; a single argument's error goes to the reporter.
    """
    device = resolve_device(job.device_name)
    preset = registry.default_preset(job.n_instruments)
    run_settings = {"run": {"instruments": job.n_instruments}}
    on_gpu = device.type == "cuda"
    config = resolved(compose(preset, run_settings, on_gpu=on_gpu), device)
    items = _items(job.what)
    _check(job, items)
    failed = False
    for item in items:
        outcome = _inspect(item, job, config, device, reporter)
        reporter.show(outcome)
        failed |= outcome.error is not None
    return 1 if failed else 0


def _items(arguments: Sequence[str]) -> list[Item]:
    """Return what each argument leads to, each with a name of its own for its files."""
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
    """Refuse options that do not go with the arguments, before any work is done.

    Raises:
        ConfigError: says which option, and what to do.
    """
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
    _check_page(job, items)
    if job.plots is not None:
        if is_file(job.plots):
            raise ConfigError(f"--plots {job.plots}: is a file, and a folder is needed.")
        words = [item.what for item in items if item.kind in ("env", "instruments")]
        if words:
            raise ConfigError(
                f"--plots: there are no pictures of {words[0]}. Leave one of them out."
            )


def _check_page(job: Job, items: Sequence[Item]) -> None:
    """Refuse a listening page of what is no separation.

    Raises:
        ConfigError: says what to do.
    """
    if job.all_seeds and not job.page:
        raise ConfigError("--all-seeds: says what --page writes. Add --page.")
    others = [item.what for item in items if item.kind not in ("separation", None)]
    if job.page and others:
        raise ConfigError(
            f"--page: {others[0]} is no separation. Give the folders of finished ones only."
        )


def _inspect(
    item: Item, job: Job, config: Config, device: torch.device, reporter: Reporter
) -> Outcome:
    """Inspect one argument, and return what became of it.

    An error ends no other argument; what was found and written before it is kept.
    """
    report: Report | None = None
    files: list[Path] = []
    try:
        if item.error is not None:
            raise InputError(item.error)
        if item.kind == "separation":
            report = find(read_separation(item.path))
            files.extend(write_notes(report, item.name, notes=job.notes, midi=job.midi))
            files.extend(draw_separation(report, item.name, job.plots))
            if job.page:
                files.append(write_page(item.path, all_seeds=job.all_seeds))
        elif item.kind == "dictionary":
            report = DictionaryReport(path=item.path, dictionary=load_any(item.path).numpy())
            files.extend(draw_dictionary(item.path, item.name, job.plots))
        elif item.kind == "env":
            report = environment(__version__)
        elif item.kind == "instruments":
            report = InstrumentsReport(names=tuple(names()))
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
    """Return what can be found out about a sound file.

    Args:
        recording: the sound.
        path: the file that it was read from.
        job: says whether time and memory are estimated.
        config: settings that the estimate is for.
        device: device that the estimate is for.
    """
    with opened(path) as file:
        container = file.container
    return SoundReport(
        path=path,
        container=container,
        sound=describe(recording),
        character=judge(recording),
        estimate=estimate(recording, config, device) if job.with_estimate else None,
    )
