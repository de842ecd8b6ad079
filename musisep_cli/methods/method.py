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

from musisep_cli.errors import ConfigError

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
        iteration: number of steps done, this one included.
        terms: the loss and its parts by name, those of ``Method.terms`` in that order.
        n_skipped: number of steps so far that were not finite and so not applied.
    """

    iteration: int
    terms: Mapping[str, float]
    n_skipped: int


@dataclass(frozen=True)
class Progress:
    """Where one seed stands.

    Attributes:
        seed: number of the seed.
        stage: name of the stage, one of ``Method.stages``.
        done: steps, frames or rounds of the stage that are done.
        total: how many of them the stage has.
        report: what the training step measured, if this was one.
        note: a sentence that the user should read; empty for none.
    """

    seed: int
    stage: str
    done: int
    total: int
    report: StepReport | None = None
    note: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]
"""Called with every report of where a seed stands; may raise KeyboardInterrupt to end the work."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a method returns for one seed.

    Attributes:
        stems: all stems, as ``Work.shelve`` put them together from their stretches.
        tracks: what every instrument plays in every frame.
        objective: how well the recording is explained, blind, the lower the better; comparable
            among the seeds of one recording and one method only.
        dictionary: relative harmonic amplitudes, ``[h, i]``; None if the method learns none.
        files: further files that hold what was learned, name -> content.
        likes: of the instruments that were asked for by their likeness, whether they are in their
            stems: JSON values of ``given_like.Presence``.
    """

    stems: Stems
    tracks: PitchTracks
    objective: float
    dictionary: NDArray[np.float32] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    likes: Sequence[Mapping[str, Any]] = ()


class Work(Protocol):
    """What the run lends a method for one seed.

    A run can be stopped and gone on with: ``reached`` and ``pause`` raise KeyboardInterrupt when it
    is to end, after the state was kept. The state holds what ``keep`` returns.

    Attributes:
        seed: number with which the random generators were seeded.
        device: where to compute.
        n_threads: CPU threads of the seed.
        precision: number format of a network's convolutions.
        files: closes what is entered into it when the seed is done.
        keep: returns the method's own state; set by the method as soon as it has one.
    """

    seed: int
    device: torch.device
    n_threads: int
    precision: Literal["float32", "bfloat16"]
    files: ExitStack
    keep: Callable[[], State]

    def take_up(self) -> State:
        """Return the method's own state to go on from; an empty dict at the start of a seed.

        It sets the random generators to what they were when the state was saved. So call it after
        everything that is drawn anew in every run, such as first weights, and before anything else
        is drawn.

        Raises:
            CheckpointError: the state does not fit.
        """

    def fitting(self) -> AbstractContextManager[None]:
        """Turn any error of the block below into a CheckpointError: the state does not fit."""

    def blind_tracks(self, stage: str, recording: Recording, n_instruments: int) -> PitchTracks:
        """Return what every instrument plays, as the default preset finds it blind.

        For a method that needs to know the pitch and is not given it. The work is told in percent
        of the stage, and ends where the user wants it to, after which it begins anew. Its stems go
        nowhere, and the random generators are afterwards as they were.

        Raises:
            ConfigError: no preset serves so many instruments.
        """

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Tell the user where the seed stands: ``done`` of ``total`` parts of a stage."""

    def reached(self, stage: str, done: int, total: int) -> None:
        """Tell the user where the seed stands, and offer the state to go on from here."""

    def stepped(self, stage: str, report: StepReport, total: int) -> None:
        """Tell the user of a training step, one of ``total``, and offer the state after it."""

    def pause(self, stage: str, done: int, total: int) -> None:
        """End the work here if the user wants it to; it can go on from what was reached before."""

    def hold(self, stage: str, done: int, total: int) -> Callable[[], None]:
        """Take a copy of the state, and return a function that offers it to go on from."""

    def frames(self, stage: str) -> Spool:
        """Open the file of what a stage finds in the frames.

        It is empty at first, and holds what was found before when the seed goes on from a state.
        """

    def scratch(self) -> Spool:
        """Open a temporary file, which no checkpoint names; the caller closes it."""

    def shelve(
        self, stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
    ) -> Stems:
        """Return all stems, put together from consecutive stretches ``[i, t, c]``.

        Args:
            stretches: in the order of time; together they are as long as the stems.
            shape: of the stems, instruments, samples and channels.
        """


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings of a method under a name.

    Attributes:
        method: name of the method.
        summary: what the preset is good for, in a few words for ``--help``.
        caution: warning to a user who got the preset without asking for it; empty for none.
        settings: the settings that differ from the defaults of the method.
        up_to_two: what differs from them for one or two instruments.
    """

    method: str
    summary: str
    caution: str = ""
    settings: Settings = field(default_factory=dict)
    up_to_two: Settings = field(default_factory=dict)

    def of(self, n_instruments: int) -> Settings:
        """Return the settings for a number of instruments."""
        return over(self.settings, self.up_to_two) if n_instruments <= 2 else self.settings


def over(base: Settings, changes: Settings) -> Settings:
    """Return settings with some of them changed.

    >>> over({"run": {"seeds": 1}, "search": {"beam": 5}}, {"search": {"beam": 2}})
    {'run': {'seeds': 1}, 'search': {'beam': 2}}
    """
    return {
        section: {**base.get(section, {}), **changes.get(section, {})}
        for section in dict.fromkeys([*base, *changes])
    }


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A short separation that tells how long a long one takes.

    Attributes:
        settings: settings of the trial, with only a few training steps.
        hop_s: time from frame to frame, in s.
        n_frames: length of the trial: as many frames as are worked on at once.
        n_steps: number of training steps of the long separation.
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
        title: title above the table.
        columns: headings of the columns.
        rows: cells of every row, as texts.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Shown:
    """Tables and pictures of what was learned.

    Attributes:
        tables: tables in the order in which they are shown.
        pictures: end of a picture's name -> function that draws it to a path, under a title.
    """

    tables: Sequence[Table] = ()
    pictures: Mapping[str, Callable[[Path, str], None]] = field(default_factory=dict)


class Method(ABC):
    """One way to find out what sounds: all that the other packages know of a method.

    Attributes:
        name: name of the method, and of its package.
        settings: a dataclass of dataclasses: the sections of a TOML file besides ``[run]``, with
            the method's defaults. A field's metadata may bound its number: ``least``, ``most``,
            ``below``, and ``why``; without any it must be above 0. With ``no_file`` a text names a
            file, except for the texts listed there.
        presets: the method's presets by name.
        stages: names of the stages in their order; the last one ends the work. Each comes with
            what is counted in it, in the words of a line of progress, for example "training step".
        terms: parts of the loss that a training step reports, the loss first.
        flags: options of ``musisep separate`` that this method heeds besides those of the run.
        most_instruments: largest number of instruments that the method can separate.
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

    def n_lines(self, recording: Recording, settings: Any, device: torch.device) -> int:
        """Return how many melodic lines a recording speaks for.

        Raises:
            ConfigError: the method cannot tell.
        """
        raise ConfigError(f"method {self.name} does not count lines: give a number as -n")

    def parts(self, settings: Any) -> Sequence[str]:
        """Return the names of the instruments' parts where the settings' files tell them.

        There are as many instruments then, and the stems take these names; () if no file does.

        Raises:
            MusisepError: a file cannot be used.
        """
        return ()

    def n_told(self, settings: Any) -> int | None:
        """Return the number of instruments that the settings tell; None if they do not.

        Raises:
            MusisepError: a file cannot be used.
        """
        return len(self.parts(settings)) or None

    def has_chords(self, settings: Any) -> bool:
        """Return whether an instrument may play several tones at once with these settings."""
        return False

    def stem_names(self, settings: Any, n_instruments: int) -> Sequence[str]:
        """Return the names of the stems in their order; () if they are counted.

        Raises:
            MusisepError: a file cannot be used.
        """
        return self.parts(settings)

    def has_rest(self, settings: Any) -> bool:
        """Return whether what the stems leave is called the rest, as some were asked for."""
        return False

    def is_whole(self, settings: Any) -> bool:
        """Return whether all instruments have stems, so that these should leave hardly anything."""
        return not self.has_rest(settings)

    def most(self, settings: Any) -> int:
        """Return the largest number of instruments that can be separated with these settings."""
        return self.most_instruments

    def completed(self, settings: Any, n_instruments: int, *, on_gpu: bool) -> Any:
        """Return the settings with those filled in that depend on N and the machine.

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
            ConfigError: the method cannot compute in the format that is asked for.
        """
        return "float32"

    def n_steps(self, settings: Any) -> int:
        """Return the number of training steps on the recording, 0 if there is no training."""
        return 0

    def training(self, settings: Any, n_done: int | None = None) -> str:
        """Return in words how many steps are trained or, if ``n_done`` is given, were trained."""
        return "no training"

    def start(self, settings: Any) -> str:
        """Return in words what the method starts from, for the first line of a run."""
        return ""

    def warnings(self, settings: Any, n_seeds: int) -> list[str]:
        """Return warnings about these settings, for the user to read before time is spent."""
        return []

    def without_effect(self, settings: Any) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings, each with the reason.

        The reason continues a sentence that begins with the name of the preset.
        """
        return {}

    @abstractmethod
    def trial(self, settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a short separation from whose time and memory those of a long one follow."""

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return tables and pictures of what was learned, read from the files in a folder.

        Raises:
            MusisepError: a file is missing or damaged.
        """
        return Shown()


def setting(section: str, key: str) -> AsSettings:
    """Return a function that turns the value of a flag into one setting.

    >>> setting("training", "iterations")(5)
    {'training': {'iterations': 5}}
    """
    return lambda value: {section: {key: value}}
