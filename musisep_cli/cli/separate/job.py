"""Job of `musisep separate`: what is asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from musisep_cli.cli.inputs import Source
from musisep_cli.inspection.estimate import Estimate
from musisep_cli.methods import registry
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import RESIDUAL, REST, RunFolder, SoundFormat
from musisep_cli.run.in_folder import Found
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.recording import Recording

Status: TypeAlias = Literal["done", "unchanged", "planned", "failed", "interrupted"]
"""What became of an input; "unchanged" if its separation was there already, "planned" if nothing
was to be written."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `musisep separate` is asked for: its flags, each of them checked.

    Attributes:
        inputs: files, folders and patterns.
        config: all settings.
        counted: gives the settings for a recording whose lines are to be counted; None if the
            number of instruments was given.
        warnings: sentences about the settings that the user should read.
        device: where to compute.
        jobs: seeds made at once; None for one, on a cluster for as many as it has room for.
        out: output folder.
        template: path of a stem below ``out/musisep``.
        sound: format of the stems.
        without: whether, for each instrument, the recording without it is written too.
        start_s: where to start in each recording, in s; None for its beginning.
        duration_s: how much of it to separate, in s; None for all that follows.
        overwrite: whether to replace earlier results.
        resume: whether to go on with seeds that were interrupted.
        dry_run: whether to write nothing.
        named: whether stems are named after the instruments that they are surely nearest to.
        page: whether to write a listening page.
        where: in words where it runs, if that is not one device of this machine.
        by_number: whether each number of instruments has a folder of its own.
    """

    inputs: Sequence[str]
    config: Config
    counted: Callable[[Recording], Config] | None = None
    warnings: Sequence[str]
    device: torch.device
    jobs: int | None
    out: Path
    template: str
    sound: SoundFormat
    without: bool
    start_s: float | None
    duration_s: float | None
    overwrite: bool
    resume: bool
    dry_run: bool
    named: bool
    page: bool
    where: str = ""
    by_number: bool = False

    def folder(self, track: str) -> RunFolder:
        """Return the folder in which the results of a recording go, by the recording's name."""
        method, settings = registry.get(self.config.run.method), self.config.settings
        below = f"/n-{self.config.run.instruments}" if self.by_number else ""
        return RunFolder(
            out=self.out,
            track=track + below,
            template=self.template,
            sound=self.sound,
            without=self.without,
            parts=self.parts,
            residual=REST if method.has_rest(settings) else RESIDUAL,
            named=self.named,
        )

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Return the names of the instruments' stems; none if the settings do not tell them."""
        method, n_instruments = registry.get(self.config.run.method), self.config.run.instruments
        return tuple(method.stem_names(self.config.settings, n_instruments))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input.
        status: whether it is done, was there already, is only planned, or why it is not done.
        folder: where its results are, or would be.
        manifest: manifest of the results, if there are any.
        error: error that ended its separation, if one did.
        duration_s: length of the recording in s, if it could be read.
        state: what the folder held before.
        estimate: time and memory that the separation will take; in a dry run only.
        warnings: sentences that the user should read, if it was separated now.
        page: the listening page, if it was written now.
    """

    source: Source
    status: Status
    folder: RunFolder
    manifest: Manifest | None = None
    error: str | None = None
    duration_s: float | None = None
    state: Found | None = None
    estimate: Estimate | None = None
    warnings: Sequence[str] = ()
    page: Path | None = None

    def without_manifest(self) -> Outcome:
        """Return the outcome as the closing table needs it: of a million none may be large."""
        return replace(self, manifest=None)
