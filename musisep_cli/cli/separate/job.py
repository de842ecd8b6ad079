"""Job of `musisep separate`: what is asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from musisep_cli.cli.inputs import Source
from musisep_cli.inspection.estimate import Estimate
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import RunFolder, SoundFormat
from musisep_cli.run.in_folder import Found
from musisep_cli.run.settings.config import Config

Status: TypeAlias = Literal["done", "unchanged", "planned", "failed", "interrupted"]


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
        without: whether the recordings without an instrument are written too.
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
    without: bool
    start_s: float | None
    duration_s: float | None
    overwrite: bool
    resume: bool
    dry_run: bool

    def folder(self, track: str) -> RunFolder:
        """Where the results of a recording go."""
        return RunFolder(
            out=self.out,
            track=track,
            template=self.template,
            sound=self.sound,
            without=self.without,
        )


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
        estimate: what the separation will take, of a dry run.
        warnings: what the user should know of it, if it was separated now.
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
