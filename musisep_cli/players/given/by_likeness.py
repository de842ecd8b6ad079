"""By likeness: what is known of instruments that are asked for by a solo, a name or an identity.

A solo may be a file, or a time of the recording's own file in which the instrument plays alone. An
identity is what an earlier separation wrote beside a stem, and a name stands for the portraits of
``tones.instruments``: an instrument can have several identities, and is like one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.sound import audio_file
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.turn import turned
from musisep_cli.tones import identity, instruments
from musisep_cli.tones.identity import Identity, learn_solo

LEAST_HEARD_S, FEW_S = 1.0, 3.0
"""Seconds of tones that a solo must hold, and below which it is warned of."""
LEAST_RATE_HZ = 8000
"""Least sample rate of a solo in Hz: below, too few harmonics are left to know it by."""
Known: TypeAlias = Sequence[Sequence[Identity]]
"""Of every instrument that is asked for, the identities that it may have."""


@dataclass(frozen=True, kw_only=True)
class LikeConfig:
    """Which instruments are asked for, each by an entry in all three lists."""

    names: tuple[str, ...] = ()
    """Names of their stems."""
    files: tuple[str, ...] = field(default=(), metadata={"no_file": ("",)})
    """Sound with a solo of each, or its identity; empty for a name in the table or a time."""
    times: tuple[str, ...] = ()
    """Seconds of the recording's own file in which it plays alone, as 12.0-20.0; empty for none."""
    others: bool = True
    """Whether the other instruments get stems too, or all else is one rest."""

    def entries(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, file and time of every instrument that is asked for."""
        for k, name in enumerate(self.names):
            files, times = self.files[k : k + 1], self.times[k : k + 1]
            yield name, files[0] if files else "", times[0] if times else ""


def known_of(config: LikeConfig, recording: Recording) -> Known:
    """Return the identities that each instrument that is asked for may have.

    Raises:
        MusisepError: a solo, an identity or a name cannot be used.
    """
    return [
        [_of_solo(_excerpt(time, recording), f"the recording at {time} s")]
        if time
        else _of_file_or_name(name, file)
        for name, file, time in config.entries()
    ]


def check_files(config: LikeConfig) -> None:
    """Read all that needs no recording: names in the table, solos and identities.

    Raises:
        MusisepError: one of them cannot be used.
    """
    for name, file, time in config.entries():
        if not time:
            _of_file_or_name(name, file)


def short_ones(config: LikeConfig) -> list[str]:
    """Return a sentence for every file that tells little of its instrument.

    Raises:
        MusisepError: a file cannot be used.
    """
    return [
        f"{file}: holds only {found.total_s:.1f} s of clear single tones of {name}; "
        f"{FEW_S:.0f} s and more tell better what it is like"
        for name, file, _ in config.entries()
        if file
        for found in _of_file_or_name(name, file)
        if found.total_s < FEW_S
    ]


def _of_file_or_name(name: str, file: str) -> list[Identity]:
    """Return the identity in a file, or those that a name stands for if there is no file.

    Raises:
        MusisepError: the file cannot be used, or the table lacks the name.
    """
    if not file:
        return instruments.of_name(name)
    path = Path(file)
    return [_of_file(path, path.stat().st_mtime_ns if path.exists() else 0)]


@lru_cache(maxsize=16)
def _of_file(path: Path, changed_ns: int) -> Identity:
    """Return the identity that a file holds, or that of the solo in it, learned once.

    Args:
        path: of the file.
        changed_ns: when it was changed last.

    Raises:
        MusisepError: it cannot be used.
    """
    if path.suffix.lower() == ".json":
        return _enough(identity.load(path), str(path))
    return _of_solo(audio_file.read(path), str(path))


def _of_solo(solo: Recording, origin: str) -> Identity:
    """Return the identity of the instrument that plays alone in a recording.

    Raises:
        InputError: it holds too few tones, or has too low a rate.
    """
    if solo.sample_rate_hz < LEAST_RATE_HZ:
        raise InputError(
            f"{origin}: has a sample rate of {solo.sample_rate_hz} Hz, and {LEAST_RATE_HZ} Hz are "
            "needed to tell an instrument: give a better copy"
        )
    return _enough(learn_solo(turned(solo).mono, solo.sample_rate_hz).named(origin), origin)


def _enough(known: Identity, origin: str) -> Identity:
    """Return an identity that was heard for long enough.

    Raises:
        InputError: it was not.
    """
    if known.total_s < LEAST_HEARD_S:
        raise InputError(
            f"{origin}: holds {known.total_s:.1f} s of clear single tones, and "
            f"{LEAST_HEARD_S:.0f} s are needed: give more of it playing alone, without chords"
        )
    return known


def _excerpt(time: str, recording: Recording) -> Recording:
    """Return the part of a recording's file that a time names.

    Raises:
        ConfigError: it is no time.
        MusisepError: the file does not reach so far.
    """
    start, _, stop = time.partition("-")
    try:
        start_s, stop_s = float(start), float(stop)
    except ValueError:
        start_s, stop_s = 0.0, 0.0
    if not 0 <= start_s < stop_s:
        raise ConfigError(f"[like] times = '{time}': must be seconds as 12.0-20.0")
    if recording.path is not None:
        return audio_file.read(recording.path, start_s=start_s, duration_s=stop_s - start_s)
    rate = recording.sample_rate_hz
    samples = recording.samples[round(start_s * rate) : round(stop_s * rate)]
    return Recording(samples=samples, sample_rate_hz=rate)
