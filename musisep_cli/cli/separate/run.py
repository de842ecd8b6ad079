"""Run of `musisep separate`: every input in turn, whatever becomes of the others."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musisep_cli.cli.inputs import Source, expand
from musisep_cli.cli.separate import warnings as warned
from musisep_cli.cli.separate.job import Job, Outcome
from musisep_cli.cli.separate.on_cluster import separate_all
from musisep_cli.errors import ConfigError, InputError, MusisepError
from musisep_cli.inspection.page.write import write_page
from musisep_cli.machine import interruption
from musisep_cli.methods import registry
from musisep_cli.run import in_folder
from musisep_cli.run.folder import manifest
from musisep_cli.run.folder.layout import METHOD, RunFolder
from musisep_cli.sound import audio_file

if TYPE_CHECKING:
    from musisep_cli.cli.separate.report import Reporter
    from musisep_cli.run.cluster.connection import Connection

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the shells' convention: 128 and the number of SIGINT, 2."""


def run(job: Job, reporter: Reporter, connection: Connection | None = None) -> int:
    """Separate all inputs, and return the exit code.

    Args:
        job: what is asked for.
        reporter: tells the user.
        connection: to the cluster on which they are separated; None for this process and its own.

    Raises:
        MusisepError: nothing can be done at all; a single input's error goes to the reporter.
    """
    sources = _sources(job)
    reporter.start(job, len(sources))
    if connection is None:
        outcomes = _in_turn(sources, job, reporter)
    else:
        outcomes = separate_all(sources, job, reporter, connection)
    reporter.finish(outcomes)
    return _exit_code(outcomes)


def _sources(job: Job) -> list[Source]:
    """Return all inputs, after everything was checked that can be without reading them.

    Raises:
        MusisepError: nothing can be done at all.
    """
    audio_file.check_excerpt(job.start_s, job.duration_s)
    job.folder("track").check()
    run, settings = job.config.run, job.config.settings
    # A file that does not fit is an error before any training, where the number is known by then.
    if job.counted is None:
        registry.get(run.method).check_files(settings, run.instruments)
    elif registry.get(run.method).n_told(settings) is not None:
        raise ConfigError(
            "instruments are counted (-n auto, or --like without -n), and --pitch, --voices or "
            "--melody tell how many there are: give that number as -n"
        )
    sources = expand(job.inputs, job.out / METHOD)
    if not sources:
        raise InputError("the inputs lead to no recordings but musisep's own: give sound files")
    if len(sources) > 1 and "{track}" not in job.template:
        raise ConfigError(
            f"--filename '{job.template}': {len(sources)} recordings would have stems of one name; "
            "add {track}"
        )
    return sources


def _in_turn(sources: Sequence[Source], job: Job, reporter: Reporter) -> list[Outcome]:
    """Separate the inputs one after the other; an interruption ends them all."""
    outcomes: list[Outcome] = []
    with interruption.signals_as_interrupt():
        for source in sources:
            outcome = _outcome(source, job, reporter)
            outcomes.append(outcome.without_manifest())
            reporter.show(outcome)
            if outcome.status == "interrupted":
                break
    return outcomes


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code: 0 if all is done, 1 if an input failed, 130 after an interruption."""
    found = {outcome.status for outcome in outcomes}
    if "interrupted" in found:
        return INTERRUPTED
    return 1 if "failed" in found else 0


def _outcome(source: Source, job: Job, reporter: Reporter) -> Outcome:
    """Separate one input, and return what became of it: its errors end no other input."""
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
    """Read one input, look what is there of it already, and separate it.

    Raises:
        KeyboardInterrupt: the user stopped it; what was reached is kept.
        MusisepError: it cannot be read or separated.
    """
    if source.error is not None:
        raise InputError(source.error)
    recording = audio_file.read(source.path, start_s=job.start_s, duration_s=job.duration_s)
    if job.counted is not None:
        job = replace(job, config=job.counted(recording))
        folder = job.folder(source.track)
        reporter.say_counted(recording, job.config.run.instruments)
    outcome = partial(Outcome, source=source, folder=folder, duration_s=recording.duration_s)
    looked = in_folder.look(folder, recording, job.config, overwrite=job.overwrite)
    state = looked.state
    if state == "finished":
        page = None if job.dry_run or folder.page.exists() else _page(job, folder)
        return outcome(status="unchanged", manifest=manifest.read(folder), page=page)
    if job.dry_run:
        return outcome(
            status="planned", state=state, estimate=reporter.estimated(recording, job.config)
        )
    warnings = warned.of_recording(recording, job.config)
    with reporter.progress(recording, folder, state, warnings) as on_progress:
        in_folder.separate_into(
            folder,
            recording,
            job.config,
            looked,
            device=job.device,
            jobs=job.jobs or 1,
            overwrite=job.overwrite,
            resume=job.resume,
            on_progress=on_progress,
        )
    result = manifest.read(folder)
    warnings += warned.of_result(result) if result else []
    return outcome(status="done", manifest=result, warnings=warnings, page=_page(job, folder))


def _page(job: Job, folder: RunFolder) -> Path | None:
    """Write the listening page of a finished run, if one is wanted.

    Raises:
        MusisepError: the file system refuses, or a file of the run is gone.
    """
    return write_page(folder.folder) if job.page else None
