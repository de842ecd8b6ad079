"""Tone method: what methods have in common that end in tones, given notes or known instruments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from musisep_cli.errors import ConfigError
from musisep_cli.methods import given_like
from musisep_cli.methods.given_pitch import (
    MAX_PARTS,
    START,
    check_parts,
    is_given,
    part_names,
    separate_given,
    trial_of_given,
)
from musisep_cli.methods.method import AsSettings, Method, Result, Trial, Work, setting
from musisep_cli.players.given.by_likeness import (
    Known,
    LikeConfig,
    check_files,
    known_of,
    short_ones,
)
from musisep_cli.players.voices import MOST_INSTRUMENTS
from musisep_cli.sound.recording import Recording

GIVEN_FLAGS: Mapping[str, AsSettings] = {
    "--pitch": setting("pitch", "files"),
    "--like": lambda wanted: {"like": wanted},
}
"""The flags that every method heeds that ends in tones; --like has --instrument in it."""
MOST_HARMONICS = 256
"""Largest number of harmonics: that of the nearest one is kept in one byte."""


class ToneMethod(Method):
    """A method that finds tones, or takes those that ``--pitch`` gives.

    Of the instruments of tones that it finds, it returns those that ``--like`` asks for.

    A method says what is done where tones are to be found: ``separate_found``, ``start_found`` and
    ``trial_found``. If it inherits from another class besides, that one comes after this.

    Attributes:
        least_harmonics: smallest number of harmonics of a tone.
    """

    most_instruments = MOST_INSTRUMENTS
    least_harmonics: ClassVar[int] = 2
    """The nearest harmonic is looked up between two of them."""

    @abstractmethod
    def separate_found(
        self, recording: Recording, n_instruments: int, settings: Any, work: Work, known: Known
    ) -> Result:
        """Find the tones, and separate as ``separate`` says.

        Args:
            recording: as of ``separate``.
            n_instruments: as of ``separate``.
            settings: as of ``separate``.
            work: as of ``separate``.
            known: of every instrument that is known from elsewhere, the identities that it may
                have, for ``players.decided``.
        """

    @abstractmethod
    def trial_found(self, settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return the ``trial`` of a separation whose tones are to be found."""

    def start_found(self, settings: Any) -> str:
        """Return in words what is started from where the tones are to be found."""
        return super().start(settings)

    def separate(
        self, recording: Recording, n_instruments: int, settings: Any, work: Work
    ) -> Result:
        """Turn the notes that are given into stems, or find the tones first."""
        if is_given(settings):
            return separate_given(recording, settings, work, "listening")
        known = known_of(settings.like, recording)
        found = self.separate_found(recording, n_instruments, settings, work, known)
        return given_like.chosen(found, settings.like, known, recording.sample_rate_hz)

    def parts(self, settings: Any) -> Sequence[str]:
        """Return the names of the parts that are given, if they are."""
        return part_names(settings)

    def stem_names(self, settings: Any, n_instruments: int) -> Sequence[str]:
        """Return the names of the parts that are given, or those that were asked for first."""
        if settings.like.names:
            return given_like.stem_names(settings.like, n_instruments)
        return self.parts(settings)

    def has_rest(self, settings: Any) -> bool:
        """Return whether only instruments that were asked for have stems."""
        return bool(settings.like.names) and not settings.like.others

    def most(self, settings: Any) -> int:
        """Return the largest number of instruments: of given parts no orders are weighed."""
        return MAX_PARTS if is_given(settings) else self.most_instruments

    def check(self, settings: Any, n_instruments: int) -> None:
        """Refuse what cannot be given, and fewer or more harmonics than can be served."""
        self._check_given(settings, n_instruments)
        n_harmonics = settings.dictionary.n_harmonics
        if not self.least_harmonics <= n_harmonics <= MOST_HARMONICS:
            raise ConfigError(
                f"[dictionary] n_harmonics = {n_harmonics}: must be {self.least_harmonics} to "
                f"{MOST_HARMONICS}"
            )

    def _check_given(self, settings: Any, n_instruments: int) -> None:
        """Refuse what ``--like`` and ``--pitch`` cannot give."""
        if is_given(settings) and settings.like.names:
            raise ConfigError(
                f"--pitch and {given_like.FLAGS} exclude each other: with the notes every part has "
                "a stem under its name already. Leave one of them out."
            )
        given_like.check(settings.like, n_instruments)

    def check_files(self, settings: Any, n_instruments: int) -> None:
        """Read the notes that are given, or the files that finding tones starts from."""
        if is_given(settings):
            check_parts(settings, n_instruments)
        else:
            super().check_files(settings, n_instruments)
            check_files(settings.like)

    def n_steps(self, settings: Any) -> int:
        """Return the number of training steps; none where the notes are given."""
        return 0 if is_given(settings) else super().n_steps(settings)

    def training(self, settings: Any, n_done: int | None = None) -> str:
        """Return in words how many steps are trained, or were."""
        return "no training" if is_given(settings) else super().training(settings, n_done)

    def start(self, settings: Any) -> str:
        """Return in words what it starts from."""
        return START if is_given(settings) else self.start_found(settings)

    def warnings(self, settings: Any, n_seeds: int) -> list[str]:
        """Return a warning for every solo that tells little of its instrument."""
        return short_ones(settings.like)

    def trial(self, settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a trial of what will be done with these settings; nobody is looked for in it."""
        trial = trial_of_given if is_given(settings) else self.trial_found
        return trial(replace(settings, like=LikeConfig()), sample_rate_hz, n_threads)
