"""Units of `musisep separate` on a cluster: what is done with a recording on a worker.

First it is read and its folder looked at, then come its seeds, each by itself, and when all are
there one unit chooses among them and writes the stems. Each reads the recording anew: workers share
a file system and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from musisep_cli.cli.inputs import Source
from musisep_cli.cli.separate import warnings as warned
from musisep_cli.cli.separate.job import Job
from musisep_cli.errors import InputError, KilledError
from musisep_cli.inspection.page.write import write_page
from musisep_cli.methods.method import OnProgress
from musisep_cli.run import in_folder
from musisep_cli.run.folder import manifest
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What there is to do with a recording.

    Attributes:
        duration_s: length in s.
        sample_rate_hz: sample rate.
        n_channels: number of channels.
        content: identity of the separation that is wanted.
        state: what the folder held of it.
        missing: seeds that are not done.
        warnings: sentences that the user should read.
        manifest: manifest of the separation, if it is there already.
    """

    duration_s: float
    sample_rate_hz: int
    n_channels: int
    content: Manifest
    state: in_folder.Found
    missing: Sequence[int] = ()
    warnings: Sequence[str] = ()
    manifest: Manifest | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """A unit: read a recording, look what is there of it, and make its folder ready."""

    job: Job
    source: Source

    def __call__(self, on_progress: OnProgress, again: bool) -> Looked:
        """Return what there is to do.

        Raises:
            MusisepError: the recording cannot be read, or its folder cannot be used.
        """
        recording, folder = _read(self.job, self.source), self.job.folder(self.source.track)
        config, overwrite = self.job.config, self.job.overwrite
        looked = in_folder.look(folder, recording, config, overwrite=overwrite)
        is_finished = looked.state == "finished"
        begin = in_folder.begin
        return Looked(
            duration_s=recording.duration_s,
            sample_rate_hz=recording.sample_rate_hz,
            n_channels=recording.n_channels,
            content=looked.content,
            state=looked.state,
            missing=()
            if is_finished
            else begin(folder, recording, config, looked.content, overwrite=overwrite),
            warnings=() if is_finished else warned.of_recording(recording, config),
            manifest=manifest.read(folder) if is_finished else None,
        )


@dataclass(frozen=True, kw_only=True)
class MakeSeed:
    """A unit: make one seed of a recording, in its folder."""

    job: Job
    source: Source
    content: Manifest
    seed: int

    def __call__(self, on_progress: OnProgress, again: bool) -> None:
        """Make the seed; after a worker's death it goes on from its checkpoint in any case.

        Raises:
            KeyboardInterrupt: it was stopped; ``--resume`` goes on from there.
            MusisepError: it cannot be made.
        """
        job, folder = self.job, self.job.folder(self.source.track)
        make = in_folder.maker(
            folder,
            _read_again(job, self.source, self.content),
            job.config,
            self.content,
            device=job.device,
            resume=job.resume or again,
        )
        make(self.seed, on_progress, _never)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """A unit: choose among the seeds of a recording, and write the stems.

    Attributes:
        spent_s: time in s since the recording was first read.
        killed: names the seeds that were given up; None if there are none.
    """

    job: Job
    source: Source
    content: Manifest
    spent_s: float
    killed: KilledError | None

    def __call__(self, on_progress: OnProgress, again: bool) -> Manifest | None:
        """Return the manifest of the separation, once its listening page is written too.

        Raises:
            KilledError: some seeds were given up; one of the others was chosen.
            MusisepError: there is nothing to choose from, or the folder cannot be used.
        """
        folder = self.job.folder(self.source.track)
        in_folder.finish(
            folder,
            _read_again(self.job, self.source, self.content),
            self.content,
            device=self.job.device,
            started_s=time.monotonic() - self.spent_s,
            killed=self.killed,
        )
        if self.job.page:
            write_page(folder.folder)
        return manifest.read(folder)


def _never() -> bool:
    """Return that the work is wanted: a signal interrupts it without asking."""
    return False


def _read(job: Job, source: Source) -> Recording:
    """Return the recording of a source, or the part of it that the job asks for.

    Raises:
        InputError: it cannot be read.
    """
    if source.error is not None:
        raise InputError(source.error)
    return audio_file.read(source.path, start_s=job.start_s, duration_s=job.duration_s)


def _read_again(job: Job, source: Source, content: Manifest) -> Recording:
    """Return the recording of a source, which must be what was read of it on another worker.

    Raises:
        InputError: it cannot be read, or something that the separation follows from is not the
            same here.
    """
    recording = _read(job, source)
    here = manifest.identity(recording, job.config, job.folder(source.track))
    differing = [name for name in here if here[name] != content[name]]
    if differing:
        raise InputError(
            f"{source.path}: is not on all machines the same, or changed since it was first read "
            f"({', '.join(differing)}). Put it where all share it, and --resume."
        )
    return recording
