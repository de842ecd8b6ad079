"""The structures method as the house sees it: Duan et al. 2008, without network or training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.given_pitch import (
    GIVEN_FLAGS,
    MAX_PARTS,
    START,
    check_parts,
    is_given,
    part_names,
    separate_given,
    trial_of_given,
)
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Method, Result, Shown, Trial, Work, setting
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.structures.separate import separate
from musisep_cli.methods.structures.settings import StructuresSettings
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES

MAX_INSTRUMENTS = 4
"""Largest number of instruments. Every order of the tones among them is weighed in every frame: 24
orders for four instruments, 120 for five, which takes too long."""
MIN_HARMONICS, MAX_HARMONICS = 2, 256
"""Bounds of the number of harmonics: the nearest one is looked up between two of them, and its
number is kept in one byte."""


class StructuresMethod(Method):
    """Find tones by spectral peaks, and instruments by how alike harmonic structures are."""

    name = "structures"
    settings = StructuresSettings
    presets = presets_of("structures")
    stages: ClassVar[Mapping[str, str]] = {
        "learning": "learning structures from frame",
        "listening": "listening to frame",
        "decoding": "deciding who plays what, round",
        "resynthesis": "resynthesis of frame",
    }
    flags: ClassVar[Mapping[str, AsSettings]] = {
        "--harmonics": setting("dictionary", "n_harmonics"),
        **GIVEN_FLAGS,
    }
    most_instruments = MAX_INSTRUMENTS

    def separate(
        self, recording: Recording, n_instruments: int, settings: StructuresSettings, work: Work
    ) -> Result:
        """Find what every instrument plays by its structure, and turn it into stems."""
        if is_given(settings):
            return separate_given(recording, settings, work, "listening")
        return separate(recording, n_instruments, settings, work)

    def parts(self, settings: StructuresSettings) -> Sequence[str]:
        """Return the names of the parts that are given, if they are."""
        return part_names(settings)

    def most(self, settings: StructuresSettings) -> int:
        """Return the largest number of instruments: of given parts no orders are weighed."""
        return MAX_PARTS if is_given(settings) else MAX_INSTRUMENTS

    def check(self, settings: StructuresSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        if n_instruments > self.most(settings):
            raise ConfigError(
                f"[run] instruments = {n_instruments}: all orders of the tones are weighed in "
                f"every frame, and that serves up to {MAX_INSTRUMENTS}; use --preset quick"
            )
        n_harmonics = settings.dictionary.n_harmonics
        if not MIN_HARMONICS <= n_harmonics <= MAX_HARMONICS:
            raise ConfigError(
                f"[dictionary] n_harmonics = {n_harmonics}: must be {MIN_HARMONICS} to "
                f"{MAX_HARMONICS}"
            )
        if settings.dictionary.init_file:
            raise ConfigError(
                "[dictionary] init_file: the structures method learns the dictionary from the "
                "recording; leave it out, or use --preset standard"
            )
        if is_given(settings) and settings.structures.sound == "faithful":
            raise ConfigError(
                "[structures] sound = 'faithful': the paper's sound takes the pitches that it "
                "finds itself; leave --pitch out, or use sound = 'decoded'"
            )
        first = settings.first_pass
        if first.lowest_hz >= first.highest_hz:
            raise ConfigError(
                f"[first_pass] lowest_hz = {first.lowest_hz}: must be below highest_hz = "
                f"{first.highest_hz}"
            )
        if settings.frame.hop_zetas > 3 * settings.resynthesis.change_window:
            raise ConfigError(
                "[resynthesis] change_window is too short for [frame] hop_zetas: the signal "
                "between frames would be lost"
            )

    def check_files(self, settings: StructuresSettings, n_instruments: int) -> None:
        """Read the notes, if they are given."""
        if is_given(settings):
            check_parts(settings, n_instruments)

    def start(self, settings: StructuresSettings) -> str:
        """Return what it starts from."""
        if is_given(settings):
            return START
        sound = ", the paper's own sound" if settings.structures.sound == "faithful" else ""
        return f"without a network{sound}"

    def warnings(self, settings: StructuresSettings, n_seeds: int) -> list[str]:
        """Return a warning where several seeds are hardly worth their time."""
        if n_seeds == 1:
            return []
        if settings.structures.sound == "faithful":
            return [
                f"{n_seeds} seeds take {n_seeds} times the time for the same: nothing is random"
            ]
        return [
            f"{n_seeds} seeds take {n_seeds} times the time for next to nothing: they differ only "
            "in the random starts of decoding"
        ]

    def trial(self, settings: StructuresSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return the separation of as many frames as are followed at once."""
        if is_given(settings):
            return trial_of_given(settings, sample_rate_hz, n_threads)
        frame = GaborFrame(settings.frame, sample_rate_hz)
        return Trial(
            settings=settings,
            hop_s=frame.hop_samples / sample_rate_hz,
            n_frames=min(n_threads, 2) * FOLLOWED_FRAMES,
            n_steps=0,
            may_stop=False,
        )

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return the dictionary, as a table and as a picture."""
        return shown_dictionary(folder / "dictionary.json", names)


METHOD: Method = StructuresMethod()
