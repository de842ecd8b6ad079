"""Given by likeness: stems of the instruments that a user asks for, for all methods of tones.

All instruments are separated, with those held that are known (``players.known``). Then each that is
asked for gets the stem that is nearest to it (``tones.likeness``), in the assignment with the least
sum of misfits, if it is near enough to be it at all:

    presence = 1 / (1 + exp(STEEPNESS (misfit - EVEN))).                                        (1)

Where it is not, its stem is silent, and the user is told.

Axes: ``i`` instruments, ``k`` those that are asked for, ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from musisep_cli.errors import ConfigError
from musisep_cli.methods.method import Result
from musisep_cli.players.given.by_likeness import Known, LikeConfig
from musisep_cli.sound.stem_names import check_names
from musisep_cli.tones.identity import learn
from musisep_cli.tones.instruments import of_name
from musisep_cli.tones.likeness import assigned, misfits
from musisep_cli.tones.tracks import PitchTracks

EVEN, STEEPNESS = 1.2, 5.0
"""Misfit at which (1) is a half, and how fast it falls. Of pairs of 8 s out of generated music (317
parts, held-out programs and another soundfont) 96 % of different instruments have more, and 60 % of
the same in another piece and register have less."""
WHY = (
    "all instruments are separated by their tones, its timbre and register held where that "
    "explains more, and it is the nearest of them; the network for other music has no weights yet"
)
"""Why the engine ``tones`` serves, in words."""
FLAGS = "--like, --instrument"
"""The flags that ask for instruments."""


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Whether an instrument that was asked for is there, and in which stem.

    Attributes:
        name: of the instrument.
        presence: (1), 0 to 1.
        heard: whether it counts as heard.
        misfit: of the nearest stem, ``likeness.misfit``; None if no stem has tones.
        like: what it was asked for by, in words.
        engine: how it was separated.
        why: why so, in words.
    """

    name: str
    presence: float
    heard: bool
    misfit: float | None
    like: str
    engine: str = "tones"
    why: str = WHY

    @classmethod
    def of(cls, name: str, misfit: float, like: str, even: float) -> Presence:
        """Return what is said of an instrument whose nearest stem has this misfit."""
        share = presence(misfit, even)
        return cls(
            name=name,
            presence=round(share, 3),
            heard=share >= 0.5,
            misfit=round(misfit, 3) if math.isfinite(misfit) else None,
            like=like,
        )


def check(config: LikeConfig, n_instruments: int) -> None:
    """Refuse names that cannot be those of stems or that no instrument has, and too many of them.

    Raises:
        ConfigError: says which, and what is needed.
    """
    check_names(config.names, FLAGS)
    for name in config.names:
        if name.lower().startswith("instrument-"):
            raise ConfigError(f"{FLAGS}: '{name}' is a name of the others' stems. Choose another.")
    if len(config.names) > n_instruments:
        raise ConfigError(
            f"{FLAGS}: {len(config.names)} instruments are asked for, and the recording is said to "
            f"have {n_instruments}. Give more as -n, or ask for fewer."
        )
    for name, file, time in config.entries():
        if not (file or time):
            of_name(name)


def stem_names(config: LikeConfig, n_instruments: int) -> list[str]:
    """Return the names of the stems: those asked for, then the others by their numbers."""
    others = range(len(config.names) + 1, n_instruments + 1) if config.others else ()
    return [*config.names, *(f"instrument-{number}" for number in others)]


def chosen(
    result: Result, config: LikeConfig, known: Known, sample_rate_hz: int, even: float = EVEN
) -> Result:
    """Return the result with the stems that were asked for first, each found by its likeness.

    Args:
        result: with a stem for every instrument.
        config: who is asked for.
        known: the identities that each of these may have.
        sample_rate_hz: of the stems.
        even: misfit at which an instrument is as likely there as not.
    """
    if not config.names:
        return result
    stems = list(result.stems)
    heard = [learn(stem, sample_rate_hz, result.tracks, i) for i, stem in enumerate(stems)]
    of_stems = misfits(known, heard)  # k, i
    _, places = assigned(of_stems)
    found = [
        Presence.of(name, float(of_stems[k, places[k]]), known[k][0].origin, even)
        for k, name in enumerate(config.names)
    ]
    others = [i for i in range(len(stems)) if i not in places] if config.others else []
    order = [*places, *others]
    silent = np.broadcast_to(np.zeros((1, 1), np.float32), stems[0].shape)
    absent = [k for k, each in enumerate(found) if not each.heard]
    return replace(
        result,
        stems=[silent if k in absent else stems[i] for k, i in enumerate(order)],
        tracks=_tracks(result.tracks, order, absent),
        dictionary=None if result.dictionary is None else result.dictionary[:, order],
        likes=tuple(asdict(each) for each in found),
    )


def presence(misfit: float, even: float = EVEN) -> float:
    """Return (1) for a misfit.

    >>> presence(EVEN)
    0.5
    """
    return 1 / (1 + math.exp(min(STEEPNESS * (misfit - even), 500.0)))


def _tracks(tracks: PitchTracks, order: Sequence[int], absent: Sequence[int]) -> PitchTracks:
    """Return the tracks of the stems in an order, those that are absent off."""
    ordered = tracks.of_instruments(order)
    heard = ~np.isin(ordered.of_voices, absent)
    return replace(ordered, on=ordered.on & heard[:, None])
