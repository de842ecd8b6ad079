"""The structures method as the house sees it: Duan et al. 2008, without network or training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.given_pitch import is_given
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Method, Result, Shown, Trial, Work, setting
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.structures.separate import separate
from musisep_cli.methods.structures.settings import StructuresSettings
from musisep_cli.methods.tone_method import GIVEN_FLAGS, ToneMethod
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES
from musisep_cli.stems.one_window import check_window


class StructuresMethod(ToneMethod):
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
    most_instruments = 4
    """More were not tried."""

    def separate_found(
        self,
        recording: Recording,
        n_instruments: int,
        settings: StructuresSettings,
        work: Work,
        known: Known,
    ) -> Result:
        """Find what every instrument plays by its structure, and turn it into stems."""
        return separate(recording, n_instruments, settings, work, known)

    def check(self, settings: StructuresSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        super().check(settings, n_instruments)
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
        check_window(settings.frame.hop_zetas, settings.resynthesis)

    def start_found(self, settings: StructuresSettings) -> str:
        """Return what it starts from."""
        sound = ", the paper's own sound" if settings.structures.sound == "faithful" else ""
        return f"without a network{sound}"

    def warnings(self, settings: StructuresSettings, n_seeds: int) -> list[str]:
        """Return warnings of short solos, and where several seeds are hardly worth their time."""
        told = super().warnings(settings, n_seeds)
        if n_seeds == 1:
            return told
        if settings.structures.sound == "faithful":
            return [
                *told,
                f"{n_seeds} seeds take {n_seeds} times the time for the same: nothing is random",
            ]
        return [
            *told,
            f"{n_seeds} seeds take {n_seeds} times the time for next to nothing: they differ only "
            "in the random starts of decoding",
        ]

    def trial_found(
        self, settings: StructuresSettings, sample_rate_hz: int, n_threads: int
    ) -> Trial:
        """Return the separation of as many frames as are followed at once."""
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
