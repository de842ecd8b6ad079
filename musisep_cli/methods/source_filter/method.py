"""The source-filter method as the house sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.given_pitch import MAX_PARTS, check_parts, is_given, part_names
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import (
    AsSettings,
    Method,
    Result,
    Shown,
    Table,
    Trial,
    Work,
    setting,
)
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.source_filter import weights
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.separate import separate
from musisep_cli.methods.source_filter.settings import SourceFilterSettings
from musisep_cli.methods.source_filter.tracks import read_tracks, stretches_of
from musisep_cli.methods.tone_method import MOST_HARMONICS
from musisep_cli.players.voices import MOST_INSTRUMENTS
from musisep_cli.sound.recording import Recording

TRIAL_FRAMES, TRIAL_STEPS = 400, 3
"""Number of frames of a trial, 4.3 s, for a step's excerpts have 4 s; and of its steps."""
MOST_SHOWN = 20
"""Most stretches of merged frames in a table."""


class SourceFilterMethod(Method):
    """Model voices as sources and filters at a known pitch, and mask the mixture by them."""

    name = "source_filter"
    settings = SourceFilterSettings
    presets = presets_of("source_filter")
    stages: ClassVar[Mapping[str, str]] = {
        "tracking": "finding the pitches, percent",
        "training": "training step",
        "listening": "listening to frame",
        "resynthesis": "resynthesis of frame",
    }
    terms: ClassVar[Sequence[str]] = ("loss",)
    flags: ClassVar[Mapping[str, AsSettings]] = {
        "--iterations": setting("training", "iterations"),
        "--batch-size": setting("training", "batch_size"),
        "--harmonics": setting("dictionary", "n_harmonics"),
        "--pitch": setting("pitch", "files"),
    }
    most_instruments = MOST_INSTRUMENTS

    def separate(
        self, recording: Recording, n_instruments: int, settings: SourceFilterSettings, work: Work
    ) -> Result:
        """Learn what the voices are like, and share out the recording among them."""
        return separate(recording, n_instruments, settings, work)

    def parts(self, settings: SourceFilterSettings) -> Sequence[str]:
        """Return the names of the parts that are given, if they are."""
        return part_names(settings)

    def most(self, settings: SourceFilterSettings) -> int:
        """Return the largest number of instruments: of given parts nothing has to be found."""
        return MAX_PARTS if is_given(settings) else self.most_instruments

    def check(self, settings: SourceFilterSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        if n_instruments > self.most(settings):
            raise ConfigError(
                f"[run] instruments = {n_instruments}: without --pitch they are found blind, "
                f"which serves up to {self.most_instruments}; give them as --pitch FILE"
            )
        if settings.dictionary.init_file:
            raise ConfigError(
                "[dictionary] init_file: source-filter models learn the timbres from the "
                "recording; leave it out, or use --preset standard"
            )
        if not 2 <= settings.dictionary.n_harmonics <= MOST_HARMONICS:
            raise ConfigError(
                f"[dictionary] n_harmonics = {settings.dictionary.n_harmonics}: must be 2 to "
                f"{MOST_HARMONICS}"
            )

    def check_files(self, settings: SourceFilterSettings, n_instruments: int) -> None:
        """Read the pitches that are given, and the weights."""
        if is_given(settings):
            check_parts(settings, n_instruments)
        if settings.training.weights:
            weights.load(Network(settings.network), settings.training.weights)

    def n_steps(self, settings: SourceFilterSettings) -> int:
        """Return the number of training steps."""
        return settings.training.iterations

    def training(self, settings: SourceFilterSettings, n_done: int | None = None) -> str:
        """Return in words how many steps are trained, or were."""
        n_steps = self.n_steps(settings) if n_done is None else n_done
        return f"{n_steps} steps of adaptation" if n_steps else "no training"

    def start(self, settings: SourceFilterSettings) -> str:
        """Return in words what it starts from."""
        pitch = "the pitch that is given" if is_given(settings) else "the pitch found by default"
        known = {"": "random weights", weights.BUILTIN: "the weights that come with it"}
        start = known.get(settings.training.weights, "weights of a file")
        return f"from {pitch} and {start}"

    def warnings(self, settings: SourceFilterSettings, n_seeds: int) -> list[str]:
        """Return a warning where several seeds are worth nothing."""
        if n_seeds == 1 or self.n_steps(settings) > 0 or not is_given(settings):
            return []
        return [
            f"{n_seeds} seeds take {n_seeds} times the time for the same: without training nothing "
            "is random"
        ]

    def without_effect(self, settings: SourceFilterSettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        none = {
            "--no-decode": "decodes nothing itself",
            "--sampling": "has no network that samples",
            "--freeze-dictionary": "learns the timbres anew from every recording",
        }
        if self.n_steps(settings) == 0:
            none["--batch-size"] = "does not train on the recording"
        return none

    def trial(self, settings: SourceFilterSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a few training steps and some seconds, with given pitches taken as they are."""
        training = settings.training
        frame = GaborFrame(settings.frame, sample_rate_hz)
        return Trial(
            settings=replace(
                settings,
                pitch=replace(settings.pitch, align=False),
                training=replace(
                    training,
                    iterations=min(TRIAL_STEPS, training.iterations),
                    least_voiced_s=0.0,
                ),
            ),
            hop_s=frame.hop_samples / sample_rate_hz,
            n_frames=TRIAL_FRAMES,
            n_steps=self.n_steps(settings),
            may_stop=False,
        )

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return the mean timbres, and where the pitch does not tell the voices apart."""
        shown = shown_dictionary(folder / "dictionary.json", names)
        tracks = read_tracks(folder / "pitch.csv")
        stretches = list(stretches_of(tracks.merged(), tracks.times_s))
        longest = sorted(stretches, key=lambda part: part[0] - part[1])[:MOST_SHOWN]
        merged = Table(
            f"Merged: {tracks.merged_share():.0%} of the frames with a pitch",
            ("in unison, an octave or a twelfth apart from, s", "to, s"),
            [[f"{first:.2f}", f"{last:.2f}"] for first, last in sorted(longest)],
        )
        return Shown(tables=(*shown.tables, merged), pictures=shown.pictures)


METHOD: Method = SourceFilterMethod()
