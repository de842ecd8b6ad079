"""Run of `musisep separate`: every input in turn, whatever becomes of the others."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

from musisep_cli.cli.inputs import Source, expand
from musisep_cli.cli.separate import warnings as warned
from musisep_cli.errors import ConfigError, InputError, MusisepError, OutputError
from musisep_cli.machine import interruption
from musisep_cli.run import in_folder, in_memory
from musisep_cli.run.folder import manifest
from musisep_cli.run.folder.layout import METHOD, RunFolder, SoundFormat
from musisep_cli.run.folder.manifest import Manifest, State
from musisep_cli.run.one_seed import first_dictionary
from musisep_cli.run.settings.compose import Settings, compose, read_settings, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.run.settings.limits import MAX_INSTRUMENTS
from musisep_cli.sound import audio_file

if TYPE_CHECKING:
    from musisep_cli.cli.separate.report import Reporter
    from musisep_cli.sound.recording import Recording

Status: TypeAlias = Literal["done", "unchanged", "planned", "failed", "interrupted"]
Found: TypeAlias = State | Literal["replaced"]
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked for: the flags, checked one by one.

    Attributes:
        inputs: files, folders and patterns.
        config: all settings.
        warnings: what is to be said of them.
        device: where to compute.
        jobs: seeds made at once.
        out: output folder.
        template: names of the stems.
        sound: their format.
        start_s: where to start, or None.
        duration_s: how much to separate, or None.
        overwrite: whether to replace earlier results.
        resume: whether to go on with seeds that were interrupted.
        dry_run: whether to write nothing.
    """

    inputs: Sequence[str]
    config: Config
    warnings: Sequence[str]
    device: torch.device
    jobs: int
    out: Path
    template: str
    sound: SoundFormat
    start_s: float | None
    duration_s: float | None
    overwrite: bool
    resume: bool
    dry_run: bool

    def folder(self, track: str) -> RunFolder:
        """Where the results of a recording go."""
        return RunFolder(out=self.out, track=track, template=self.template, sound=self.sound)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input.
        status: done, there already, to be done, or not done.
        folder: where its results are, or would be.
        manifest: of the results, if there are any.
        error: why not.
        duration_s: how long the recording is, if it could be read.
        state: what the folder held before.
        warnings: what the user should know of it, if it was separated now.
    """

    source: Source
    status: Status
    folder: RunFolder
    manifest: Manifest | None = None
    error: str | None = None
    duration_s: float | None = None
    state: Found | None = None
    warnings: Sequence[str] = ()


def configure(
    flags: Mapping[str, Mapping[str, Any]],
    *,
    preset: str | None,
    file: Path | None,
    device: torch.device,
) -> tuple[Config, list[str]]:
    """Settings from the preset, a file and flags, the last one strongest; and what to warn of.

    Raises:
        ConfigError: one of them cannot be used, or nothing says how many instruments there are.
    """
    named, settings = read_settings(file) if file else (None, {})
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in flags.items()
    }
    run = settings.get("run")
    in_file = run.get("instruments") if isinstance(run, Mapping) else None
    instruments = given["run"].get("instruments", in_file)
    n_known = instruments if isinstance(instruments, int) else 1
    default = in_memory.default_preset(device, n_known)
    try:
        config = compose(preset or named or default, settings, given)
    except ConfigError as error:
        # Said of the file only if it is wrong without the flags too.
        if file and str(error) == _problem(named or default, settings):
            raise ConfigError(f"{file}: {error}") from error
        raise
    if instruments is None:
        raise ConfigError(
            f"the number of instruments is missing: give it as -n, 1 to {MAX_INSTRUMENTS}, for "
            "example -n 2"
        )
    warnings = warned.of_settings(config, given, preset_is_default=preset is None and named is None)
    return resolved(config, device), warnings


def _problem(preset: str, settings: Settings) -> str | None:
    """What is wrong with settings by themselves."""
    try:
        compose(preset, settings)
    except ConfigError as error:
        return str(error)
    return None


def run(job: Job, reporter: Reporter) -> int:
    """Separate all inputs; the exit code.

    Raises:
        MusisepError: nothing can be done at all; a single input's error goes to the reporter.
    """
    audio_file.check_excerpt(job.start_s, job.duration_s)
    job.folder("track").check()
    first_dictionary(job.config)  # a file that does not fit is an error before any training
    sources = expand(job.inputs, job.out / METHOD)
    if not sources:
        raise InputError("the inputs lead to no recordings but musisep's own: give sound files")
    if len(sources) > 1 and "{track}" not in job.template:
        raise ConfigError(
            f"--filename '{job.template}': {len(sources)} recordings would have stems of one name; "
            "add {track}"
        )
    reporter.start(job, len(sources))
    outcomes: list[Outcome] = []
    with interruption.signals_as_interrupt():
        for source in sources:
            outcome = _outcome(source, job, reporter)
            outcomes.append(outcome)
            reporter.show(outcome)
            if outcome.status == "interrupted":
                break
    reporter.finish(outcomes)
    return _exit_code(outcomes)


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    found = {outcome.status for outcome in outcomes}
    if "interrupted" in found:
        return INTERRUPTED
    return 1 if "failed" in found else 0


def _outcome(source: Source, job: Job, reporter: Reporter) -> Outcome:
    """One input, whatever happens: an error stops it and no other."""
    folder = job.folder(source.track)
    try:
        return _separate(source, job, folder, reporter)
    except KeyboardInterrupt:
        return Outcome(source=source, status="interrupted", folder=folder)
    except MusisepError as error:
        return Outcome(source=source, status="failed", folder=folder, error=str(error))
    except Exception as error:
        reporter.bug(traceback.format_exc())
        message = f"{type(error).__name__}: {error} (a bug in musisep; see the traceback)"
        return Outcome(source=source, status="failed", folder=folder, error=message)


def _separate(source: Source, job: Job, folder: RunFolder, reporter: Reporter) -> Outcome:
    """One input: read, look what is there, separate."""
    if source.error is not None:
        raise InputError(source.error)
    recording = audio_file.read(source.path, start_s=job.start_s, duration_s=job.duration_s)
    outcome = partial(Outcome, source=source, folder=folder, duration_s=recording.duration_s)
    state = _found(recording, job, folder)
    if state == "finished":
        return outcome(status="unchanged", manifest=manifest.read(folder))
    if job.dry_run:
        return outcome(status="planned", state=state)
    warnings = warned.of_recording(recording)
    with reporter.progress(recording, folder, state, warnings) as on_progress:
        in_folder.separate_into(
            folder,
            recording,
            job.config,
            device=job.device,
            jobs=job.jobs,
            overwrite=job.overwrite,
            resume=job.resume,
            on_progress=on_progress,
        )
    result = manifest.read(folder)
    warnings += warned.of_result(result) if result else []
    return outcome(status="done", manifest=result, warnings=warnings)


def _found(recording: Recording, job: Job, folder: RunFolder) -> Found:
    """What the folder holds, which is replaced, whatever it is, if that is asked for."""
    wanted = manifest.identity(recording, job.config, folder)
    try:
        state = manifest.state(wanted, folder)
    except OutputError:
        if not job.overwrite:
            raise
        return "replaced"
    return "replaced" if job.overwrite and state != "new" else state
