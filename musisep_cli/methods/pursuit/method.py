"""Sparse pursuit as the house sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.methods.given_pitch import is_given, without_effect
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Result, Shown, Trial, Work, setting
from musisep_cli.methods.pursuit.settings import PursuitSettings
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.tone_method import GIVEN_FLAGS, ToneMethod
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES
from musisep_cli.stems.one_window import check_window

TRIAL_STEPS = 1000
"""Training steps of a trial, of every dictionary: two reports, of which the first takes longer."""
TRIAL_FRAMES = 256
"""Number of frames of a trial in which every frame stands by itself."""


class PursuitMethod(ToneMethod):
    """Pursue tones frame by frame, with timbres learned from random frames of the recording."""

    name = "pursuit"
    settings = PursuitSettings
    presets = presets_of("pursuit")
    stages: ClassVar[Mapping[str, str]] = {
        "conversion": "redrawing frame",
        "training": "training step",
        "listening": "pursuing the tones of frame",
        "decoding": "deciding who plays what, round",
        "resynthesis": "resynthesis of frame",
    }
    terms: ClassVar[Sequence[str]] = ("misfit",)
    flags: ClassVar[Mapping[str, AsSettings]] = {
        "--iterations": setting("training", "iterations"),
        "--harmonics": setting("dictionary", "n_harmonics"),
        "--init-dictionary": setting("dictionary", "init_file"),
        "--freeze-dictionary": setting("dictionary", "frozen"),
        "--no-decode": lambda _: {"pursuit": {"sound": "masked"}},
        **GIVEN_FLAGS,
    }
    most_instruments = 6
    """Up to 2N tones are fitted together in each of some N rounds, so time grows with N^4."""

    def separate_found(
        self,
        recording: Recording,
        n_instruments: int,
        settings: PursuitSettings,
        work: Work,
        known: Known,
    ) -> Result:
        """Learn a dictionary from the recording, and make stems of the tones that are found."""
        # The compiled code takes a second to load: names and settings are known without it.
        from musisep_cli.methods.pursuit.separate import separate

        return separate(recording, n_instruments, settings, work, known)

    def check(self, settings: PursuitSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        super().check(settings, n_instruments)
        if settings.pursuit.sound == "decoded":
            check_window(settings.frame.hop_zetas, settings.resynthesis)
            if settings.pursuit.tones_per_instrument > 1:
                raise ConfigError(
                    f"[pursuit] tones_per_instrument = {settings.pursuit.tones_per_instrument}: "
                    "decoding takes every instrument for one line; use sound = 'masked' "
                    "(--no-decode), or --preset standard --voices for chords"
                )
        elif is_given(settings) or settings.like.names:
            raise ConfigError(
                "[pursuit] sound = 'masked' (or --no-decode): the frames by themselves know no "
                "notes and no instruments; leave --pitch, --like and --instrument out, or use "
                "sound = 'decoded'"
            )
        if settings.dictionary.frozen and not settings.dictionary.init_file:
            raise ConfigError(
                "[dictionary] frozen = true: there is no dictionary to keep; name one with "
                "--init-dictionary FILE"
            )

    def check_files(self, settings: PursuitSettings, n_instruments: int) -> None:
        """Read the notes that are given, or the dictionary that is to be started from."""
        super().check_files(settings, n_instruments)
        from musisep_cli.methods.pursuit.separate import given_atoms

        if not is_given(settings):
            given_atoms(settings.dictionary, n_instruments)

    def n_steps(self, settings: PursuitSettings) -> int:
        """Return the number of training steps."""
        if is_given(settings) or settings.dictionary.frozen:
            return 0
        return settings.training.iterations * settings.training.dictionaries

    def training(self, settings: PursuitSettings, n_done: int | None = None) -> str:
        """Return in words how many steps are trained, or were."""
        if not self.n_steps(settings):
            return "no training"
        training = settings.training
        of_one = f"{training.iterations} iterations of one frame"
        if n_done is not None and n_done < self.n_steps(settings):
            return f"{n_done} of {self.n_steps(settings)} iterations of one frame"
        if training.dictionaries == 1:
            return of_one
        return f"the best of {training.dictionaries} dictionaries, {of_one} each"

    def start_found(self, settings: PursuitSettings) -> str:
        """Return in words where the timbres come from."""
        return "from a given dictionary" if settings.dictionary.init_file else "from random timbres"

    def without_effect(self, settings: PursuitSettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        return dict(self._without_effect(settings))

    def _without_effect(self, settings: PursuitSettings) -> Iterator[tuple[str, str]]:
        """Yield each flag that changes nothing, with the reason."""
        if is_given(settings):
            flags = ("--iterations", "--init-dictionary", "--freeze-dictionary", "--no-decode")
            yield from without_effect(flags).items()
        yield "--batch-size", "learns from one frame after the other"
        yield "--sampling", "has no network that samples"
        if settings.dictionary.frozen:
            yield "--iterations", "keeps the given dictionary (--freeze-dictionary)"

    def trial_found(self, settings: PursuitSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a few training steps and some blocks of frames, or all that are followed at once.

        As many dictionaries are learned side by side as otherwise, for they share the machine.
        Masks are made frame by frame; where tones are decoded their harmonics are followed.
        """
        training = settings.training
        n_steps = min(TRIAL_STEPS, training.iterations)
        n_dictionaries = min(n_threads, training.dictionaries)
        followed = min(n_threads, 2) * FOLLOWED_FRAMES
        return Trial(
            settings=replace(
                settings,
                training=replace(training, iterations=n_steps, dictionaries=n_dictionaries),
            ),
            hop_s=settings.frame.hop_zetas * settings.frame.zeta_s,
            n_frames=TRIAL_FRAMES if settings.pursuit.sound == "masked" else followed,
            n_steps=self.n_steps(settings),
            may_stop=False,
        )

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return the dictionary, and the log-frequency spectrogram if its file is still there.

        That is in the folder of every seed, and the same in all of them.
        """
        from musisep_cli.methods.pursuit.overview import FILE, draw

        shown = shown_dictionary(folder / "dictionary.json", names)
        pictures = dict(shown.pictures)
        for source in sorted(folder.glob(f"seeds/*/{FILE}"))[:1]:
            pictures["log-spectrogram"] = partial(draw, source)
        return Shown(tables=shown.tables, pictures=pictures)


METHOD = PursuitMethod()
