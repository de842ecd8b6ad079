"""The lasso method as the house sees it: Schulze and King 2022, without network or training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.given_pitch import is_given, without_effect
from musisep_cli.methods.lasso.detector import FRAMES_AT_ONCE
from musisep_cli.methods.lasso.separate import given_dictionary, separate
from musisep_cli.methods.lasso.settings import LassoSettings
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Method, Result, Shown, Trial, Work, setting
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.tone_method import GIVEN_FLAGS, ToneMethod
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES
from musisep_cli.stems.one_window import check_window


class LassoMethod(ToneMethod):
    """Find tones by the certificate of the Beurling LASSO, and decode over time who plays them."""

    name = "lasso"
    settings = LassoSettings
    presets = presets_of("lasso")
    stages: ClassVar[Mapping[str, str]] = {
        "learning": "learning the dictionary from frame",
        "listening": "listening to frame",
        "decoding": "deciding who plays what, round",
        "resynthesis": "resynthesis of frame",
    }
    flags: ClassVar[Mapping[str, AsSettings]] = {
        "--harmonics": setting("dictionary", "n_harmonics"),
        "--init-dictionary": setting("dictionary", "init_file"),
        **GIVEN_FLAGS,
    }
    most_instruments = 4
    """More were not tried."""
    least_harmonics = 3
    """The nearest harmonic needs a neighbour on either side."""

    def separate_found(
        self,
        recording: Recording,
        n_instruments: int,
        settings: LassoSettings,
        work: Work,
        known: Known,
    ) -> Result:
        """Find what every instrument plays by the certificate, and turn it into stems."""
        return separate(recording, n_instruments, settings, work, known)

    def check(self, settings: LassoSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        super().check(settings, n_instruments)
        certificate = settings.certificate
        if certificate.lowest_hz >= certificate.highest_hz:
            raise ConfigError(
                f"[certificate] lowest_hz = {certificate.lowest_hz}: must be below highest_hz = "
                f"{certificate.highest_hz}"
            )
        shares = settings.path.shares
        if (
            not shares
            or any(share >= 1 for share in shares)
            or list(shares) != sorted(shares, reverse=True)
        ):
            raise ConfigError(
                f"[path] shares = {list(shares)}: must be numbers below 1 that fall from step to "
                "step; alpha as large as the greatest certificate finds no tone"
            )
        if FRAMES_AT_ONCE % settings.lasso.hops:
            raise ConfigError(f"[lasso] hops = {settings.lasso.hops}: must divide {FRAMES_AT_ONCE}")
        check_window(settings.frame.hop_zetas, settings.resynthesis)

    def check_files(self, settings: LassoSettings, n_instruments: int) -> None:
        """Read the notes that are given, and the dictionary to start from, if one is named."""
        super().check_files(settings, n_instruments)
        if settings.dictionary.init_file:
            given_dictionary(settings, n_instruments)

    def start_found(self, settings: LassoSettings) -> str:
        """Return in words what the method starts from."""
        given = ", from a given dictionary" if settings.dictionary.init_file else ""
        return f"without a network{given}"

    def warnings(self, settings: LassoSettings, n_seeds: int) -> list[str]:
        """Return warnings of short solos, and where several seeds are hardly worth their time."""
        told = super().warnings(settings, n_seeds)
        if n_seeds == 1:
            return told
        return [
            *told,
            f"{n_seeds} seeds take {n_seeds} times the time for the same: nothing here depends on "
            "the seed",
        ]

    def without_effect(self, settings: LassoSettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        return without_effect(("--init-dictionary",)) if is_given(settings) else {}

    def trial_found(self, settings: LassoSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return the separation of as many frames as are worked on at once."""
        frame = GaborFrame(settings.frame, sample_rate_hz)
        return Trial(
            settings=settings,
            hop_s=frame.hop_samples / sample_rate_hz,
            n_frames=max(FRAMES_AT_ONCE, min(n_threads, 2) * FOLLOWED_FRAMES),
            n_steps=0,
            may_stop=False,
        )

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return the dictionary, as a table and as a picture."""
        return shown_dictionary(folder / "dictionary.json", names)


METHOD: Method = LassoMethod()
