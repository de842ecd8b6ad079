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
