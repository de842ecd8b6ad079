"""Job of `musisep inspect`: what is asked for, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.inspection.character import Character
from musisep_cli.inspection.estimate import Estimate
from musisep_cli.inspection.findings import Findings
from musisep_cli.inspection.kinds import Kind
from musisep_cli.inspection.sound import Sound


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `musisep inspect` is asked for.

    Attributes:
        what: the arguments: paths, or "env".
        plots: folder for pictures; None for none.
        notes: file or folder for notes as CSV; None for none.
        midi: file or folder for notes as MIDI; None for none.
        page: whether to write a listening page.
        all_seeds: whether all seeds can be heard in it.
        n_instruments: number of instruments that the estimate of time and memory assumes.
        device_name: device that the estimate is for.
        with_estimate: whether to estimate time and memory at all.
    """

    what: tuple[str, ...]
    plots: Path | None
    notes: Path | None
    midi: Path | None
    page: bool
    all_seeds: bool
    n_instruments: int
    device_name: str
    with_estimate: bool


@dataclass(frozen=True, kw_only=True)
class SoundReport:
    """What was found out about a sound file.

    Attributes:
        path: path of the file.
        container: format and number format of the file, as libsndfile calls them.
        sound: rate, length, levels and silence.
        character: whether it sounds like melodic lines; None if it is too short to tell.
        estimate: time and memory that a separation takes; None if not asked for.
    """

    path: Path
    container: str
    sound: Sound
    character: Character | None
    estimate: Estimate | None

    def warnings(self) -> list[str]:
        """Return in words all that speaks against a separation."""
        parts = (self.sound, self.character, self.estimate)
        return [warning for part in parts if part is not None for warning in part.warnings()]


@dataclass(frozen=True, kw_only=True)
class DictionaryReport:
    """A dictionary file, ``[h, i]``."""

    path: Path
    dictionary: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class InstrumentsReport:
    """The instruments that can be asked for by name."""

    names: tuple[str, ...]


Report: TypeAlias = SoundReport | Findings | DictionaryReport | InstrumentsReport | dict[str, Any]
"""Report on an argument, by its kind; of "env" a dict of versions and devices."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An argument.

    Attributes:
        what: the argument as it was given.
        kind: what it leads to; None if it leads to nothing that can be inspected.
        path: path of that.
        name: start of the names of the files written for it; no two arguments share one.
        error: why it leads to nothing.
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
