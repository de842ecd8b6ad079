"""Method: what the house asks of every way to find out what sounds, and what it lends it.

A method is one package beside this file. The run, the command line, the inspection and the pictures
know methods by this interface only: whatever depends on how a method works, they ask it. A method
knows nothing of seeds in a folder, of flags or of tables; it gets a recording and ``Work``.

Axes: ``i`` instruments, ``c`` channels, ``t`` samples, ``h`` harmonics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # for annotations only: the names of presets are known without PyTorch
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from musisep_cli.frames.spool import Spool
    from musisep_cli.machine.device import Precision
    from musisep_cli.sound.blockwise import Stems
    from musisep_cli.sound.recording import Recording
    from musisep_cli.tones.tracks import PitchTracks

Settings: TypeAlias = dict[str, dict[str, Any]]
"""Section -> key -> value, as in a TOML file."""
State: TypeAlias = dict[str, Any]
"""Names to tensors, numbers, texts, and lists and dicts of them: what a checkpoint can hold."""
AsSettings: TypeAlias = Callable[[Any], Settings]
"""Turns the value of a flag into the settings that it stands for."""


@dataclass(frozen=True)
class StepReport:
    """What one training step measured.

    Attributes:
        iteration: steps done, this one included.
        terms: the loss and its parts by name, those of ``Method.terms`` in that order.
        n_skipped: steps so far that were not finite and so not applied.
    """

    iteration: int
    terms: Mapping[str, float]
    n_skipped: int


@dataclass(frozen=True)
class Progress:
    """Where one seed stands.

    Attributes:
        seed: which.
        stage: one of ``Method.stages``.
        done: steps, frames or rounds done.
        total: of so many.
        report: the training step's, if it was one.
        note: what the user should know besides.
    """

    seed: int
    stage: str
    done: int
    total: int
    report: StepReport | None = None
    note: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a method ends in.

    Attributes:
        stems: what ``Work.shelve`` gave for the stretches of the stems.
        tracks: what every instrument plays.
        objective: how well the recording is explained, blind, the lower the better; comparable
            among the seeds of one recording and one method only.
        dictionary: relative harmonic amplitudes, ``[h, i]``; None if the method learns none.
        files: further files that hold what was learned, name -> content.
    """

    stems: Stems
    tracks: PitchTracks
    objective: float
    dictionary: NDArray[np.float32] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


class Work(Protocol):
    """What the run lends a method for one seed.

    A run can be stopped and gone on with: ``reached`` and ``pause`` raise KeyboardInterrupt when it
    is to end, after the state was kept. The state holds what ``keep`` returns.

    Attributes:
        seed: the random generators were seeded with it.
        device: where to compute.
        n_threads: CPU threads of the seed.
        precision: number format of a network's convolutions.
        files: closes what is entered into it when the seed is done.
        keep: gives the method's own state; set by the method as soon as it has one.
    """

    seed: int
    device: torch.device
    n_threads: int
    precision: Literal["float32", "bfloat16"]
    files: ExitStack
    keep: Callable[[], State]

    def take_up(self) -> State:
        """Return the method's own state to go on from, ``{}`` from the start.

        The random generators are set to what they were then: to be called before anything is drawn
        that the state does not know of, after everything that is drawn in every run.
        """

    def fitting(self) -> AbstractContextManager[None]:
        """Turn whatever goes wrong inside into a CheckpointError: the state does not fit."""

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say where the seed stands."""

    def reached(self, stage: str, done: int, total: int) -> None:
        """Say where the seed stands, and that it can go on from here."""

    def stepped(self, stage: str, report: StepReport, total: int) -> None:
        """Say that one training step of ``total`` is done, and that the seed can go on from it."""

    def pause(self, stage: str, done: int, total: int) -> None:
        """Say that the work can be put down, to go on from what was ``reached`` before."""

    def hold(self, stage: str, done: int, total: int) -> Callable[[], None]:
        """Hold the state as it is now; what is returned says that the seed can go on from it."""

    def frames(self, stage: str) -> Spool:
        """Open the file of what is found in the frames in a stage; what a state knows is in it."""

    def scratch(self) -> Spool:
        """Open a file that nobody goes on from, to be closed."""

    def shelve(
        self, stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
    ) -> Stems:
        """Put consecutive stretches ``[i, t, c]`` of stems of a shape where they are wanted."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings of a method under a name.

    Attributes:
        method: whose.
        summary: what it is good for, in a few words for ``--help``.
        caution: what to say to a user who got it without asking; empty for nothing.
        settings: what differs from the defaults of the method's settings.
    """

    method: str
    summary: str
    caution: str = ""
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A short separation that tells how long a long one takes.

    Attributes:
        settings: with only a few training steps.
        hop_s: time from frame to frame.
        n_frames: length of the trial: as many frames as are worked on at once.
        n_steps: training steps of the whole separation.
        may_stop: whether the training may end before, when it no longer helps.
    """

    settings: Any
    hop_s: float
    n_frames: int
    n_steps: int
    may_stop: bool


@dataclass(frozen=True)
class Table:
    """Something learned, as a table.

    Attributes:
        title: above it.
        columns: headings.
        rows: cells.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Shown:
    """What was learned, to be looked at.

    Attributes:
        tables: in their order.
        pictures: end of a picture's name -> writes it to a path, under a title.
    """

    tables: Sequence[Table] = ()
    pictures: Mapping[str, Callable[[Path, str], None]] = field(default_factory=dict)


class Method(ABC):
    """One way to find out what sounds, as the house sees it.

    Attributes:
        name: of the method, and of its package.
        settings: a dataclass of dataclasses: the sections of a TOML file besides ``[run]``, with
            the method's defaults. A field's metadata may bound its number: ``least``, ``most``,
            ``below``, and ``why``; without any it must be above 0. With ``no_file`` a text names a
            file, but for the texts in there.
        presets: by name.
        stages: in their order, the last one ends the work; each with what is counted in it, as a
            line of progress says it, for example "training step".
        terms: parts of the loss that a training step reports, the loss first.
        flags: options of ``musisep separate`` that this method heeds besides those of the run.
        most_instruments: it serves 1 to so many.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Any]]
    presets: Mapping[str, Preset]
    stages: ClassVar[Mapping[str, str]]
    terms: ClassVar[Sequence[str]] = ()
    flags: ClassVar[Mapping[str, AsSettings]] = {}
    most_instruments: ClassVar[int]

    @abstractmethod
    def separate(
        self, recording: Recording, n_instruments: int, settings: Any, work: Work
    ) -> Result:
        """Separate a recording.

        Returns:
            The same bytes for the same arguments on the same machine, whatever the state.

        Raises:
            KeyboardInterrupt: the work was stopped.
            MusisepError: the state does not fit, or the disk is full.
        """

    def completed(self, settings: Any, n_instruments: int, *, on_gpu: bool) -> Any:
        """Return the settings with what follows from N and the machine, if nobody chose it.

        Called only where neither a file nor a flag says how long to train.
        """
        return settings

    def check(self, settings: Any, n_instruments: int) -> None:  # noqa: B027 - may have no rules
        """Refuse settings that do not go together; single numbers are checked by their bounds.

        Raises:
            ConfigError: names the setting, its value and what is needed.
        """

    def check_files(self, settings: Any, n_instruments: int) -> None:  # noqa: B027 - nor files
        """Read the files that the settings name, before any work is done.

        Raises:
            MusisepError: one of them does not fit.
        """

    def precision(
        self, settings: Any, asked: Precision, device: torch.device
    ) -> Literal["float32", "bfloat16"]:
        """Return the number format of the network's convolutions, for ``[run] precision``.

        Raises:
            ConfigError: the method cannot compute in what is asked for.
        """
        return "float32"

    def n_steps(self, settings: Any) -> int:
        """Return the number of training steps on the recording, 0 if there is no training."""
        return 0

    def training(self, settings: Any, n_done: int | None = None) -> str:
        """Return in words how long is trained or, where ``n_done`` is given, was trained."""
        return "no training"

    def start(self, settings: Any) -> str:
        """Return in words what the method starts from, for the first line of a run."""
        return ""

    def warnings(self, settings: Any, n_seeds: int) -> list[str]:
        """Return what the user should know of these settings before time is spent."""
        return []

    def without_effect(self, settings: Any) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings, each with the reason.

        The reason goes on a sentence that begins with the name of the preset.
        """
        return {}

    @abstractmethod
    def trial(self, settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return the short separation whose time and memory tell those of a long one."""

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return what was learned, from the files in a folder, for the instruments' names.

        Raises:
            MusisepError: a file is missing or damaged.
        """
        return Shown()


def setting(section: str, key: str) -> AsSettings:
    """Return what turns a flag's value into one setting.

    >>> setting("training", "iterations")(5)
    {'training': {'iterations': 5}}
    """
    return lambda value: {section: {key: value}}
