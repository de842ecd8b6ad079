"""The lasso method as the house sees it: Schulze and King 2022, without network or training."""

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
    without_effect,
)
from musisep_cli.methods.lasso.detector import FRAMES_AT_ONCE
from musisep_cli.methods.lasso.separate import given_dictionary, separate
from musisep_cli.methods.lasso.settings import LassoSettings
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Method, Result, Shown, Trial, Work, setting
from musisep_cli.methods.registry import presets_of
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES

MAX_INSTRUMENTS = 4
"""Largest number of instruments. Every order of the tones among them is weighed in every frame: 24
orders for four instruments, 120 for five, which takes too long."""
MIN_HARMONICS, MAX_HARMONICS = 3, 256
"""Bounds of the number of harmonics: the nearest one needs a neighbour on either side, and its
number is kept in one byte."""


class LassoMethod(Method):
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
    most_instruments = MAX_INSTRUMENTS

    def separate(
        self, recording: Recording, n_instruments: int, settings: LassoSettings, work: Work
    ) -> Result:
        """Find what every instrument plays by the certificate, and turn it into stems."""
        if is_given(settings):
            return separate_given(recording, settings, work, "listening")
        return separate(recording, n_instruments, settings, work)

    def parts(self, settings: LassoSettings) -> Sequence[str]:
        """Return the names of the parts that are given, if they are."""
        return part_names(settings)

    def most(self, settings: LassoSettings) -> int:
        """Return the largest number of instruments: of given parts no orders are weighed."""
        return MAX_PARTS if is_given(settings) else MAX_INSTRUMENTS

    def check(self, settings: LassoSettings, n_instruments: int) -> None:
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
        if settings.frame.hop_zetas > 3 * settings.resynthesis.change_window:
            raise ConfigError(
                "[resynthesis] change_window is too short for [frame] hop_zetas: the signal "
                "between frames would be lost"
            )

    def check_files(self, settings: LassoSettings, n_instruments: int) -> None:
        """Read the notes that are given, and the dictionary to start from, if one is named."""
        if is_given(settings):
            check_parts(settings, n_instruments)
        if settings.dictionary.init_file:
            given_dictionary(settings, n_instruments)

    def start(self, settings: LassoSettings) -> str:
        """Return in words what the method starts from."""
        if is_given(settings):
            return START
        given = ", from a given dictionary" if settings.dictionary.init_file else ""
        return f"without a network{given}"

    def warnings(self, settings: LassoSettings, n_seeds: int) -> list[str]:
        """Return a warning where several seeds are hardly worth their time."""
        if n_seeds == 1:
            return []
        return [
            f"{n_seeds} seeds take {n_seeds} times the time for the same: nothing here depends on "
            "the seed"
        ]

    def without_effect(self, settings: LassoSettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        return without_effect(("--init-dictionary",)) if is_given(settings) else {}

    def trial(self, settings: LassoSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return the separation of as many frames as are worked on at once."""
        if is_given(settings):
            return trial_of_given(settings, sample_rate_hz, n_threads)
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
