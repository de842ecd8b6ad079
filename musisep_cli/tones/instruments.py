"""Instruments: portraits of common instruments, to ask for one by name and to name stems.

A name stands for several portraits, one of every General MIDI program that it joins: a church organ
is like one or the other of two organs, not like the mean of both. How near a stem is to a name is
how near it is to the best of them. The probability of each of all names, given a stem, is

    p(name) = w exp(-SHARPNESS misfit(name)) / sum_names w exp(-SHARPNESS misfit),              (1)

with w = 1, or ``SELDOM`` for what seldom plays a melodic line.

``portraits/instruments.safetensors`` holds them; its card in the same folder says how it was made.

Axes: ``g`` semitones, ``h`` harmonics, ``k`` rows of all portraits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors.numpy import load as deserialise
from safetensors.numpy import save as serialise

from musisep_cli.errors import ConfigError
from musisep_cli.machine.files import atomic_path
from musisep_cli.tones.identity import N_HARMONICS, Identity
from musisep_cli.tones.likeness import misfit
from musisep_cli.tones.timbre import LOWEST_SEMITONE, N_SEMITONES

FILE = "portraits/instruments.safetensors"
"""The table, beside this module."""
LEVEL_STEP_DB, SPREAD_STEP_DB = 0.5, 0.25
"""Steps in which levels and spreads are stored, each in one byte."""
PITCH_S = 0.5
"""Time for which a stored pitch counts as heard: all count alike."""
ALSO = {
    "recorder": "flute",
    "piccolo": "flute",
    "contrabass": "double bass",
    "fiddle": "violin",
    "guitar": "acoustic guitar",
    "bass": "electric bass",
    "french horn": "horn",
    "sax": "saxophone",
    "voice": "choir",
    "soprano": "choir",
    "strings": "string ensemble",
    "xylophone": "marimba",
    "glockenspiel": "bells",
    "brass": "brass section",
}
"""Further words, and the name in the table that each stands for."""
SHARPNESS = 5.0
"""Factor of the misfit in the exponent of (1)."""
RARE = (
    *("bells", "vibraphone", "marimba", "dulcimer", "timpani", "harp", "pizzicato strings"),
    *("electric piano", "harpsichord", "distorted guitar", "synth bass", "synth lead", "synth pad"),
    *("string ensemble", "brass section", "pan flute", "plucked strings of Asia", "bagpipe"),
    *("harmonica", "church organ"),
)
"""Names that stems seldom have; with harmonics alone, many of them are like something common."""
SELDOM = 0.1
"""Weight of these in (1)."""
SURE, NEAR_ENOUGH = 0.7, 1.0
"""Probability from which on, and misfit up to which, a stem takes the name of its nearest
instrument."""
NUMBERED = re.compile(r"instrument-\d+")
"""Names of stems that are no more than a number."""


@dataclass(frozen=True)
class Portrait:
    """What one program of General MIDI is like.

    Attributes:
        name: of the instrument, lower case.
        program: number from 0.
        identity: what it is like.
    """

    name: str
    program: int
    identity: Identity


@dataclass(frozen=True)
class Nearest:
    """The instrument that a stem is nearest to.

    Attributes:
        name: of the instrument.
        confidence: (1), 0 to 1.
        misfit: how far it is, ``likeness.misfit``.
    """

    name: str
    confidence: float
    misfit: float

    @property
    def is_sure(self) -> bool:
        """Whether the name can be used for the stem."""
        return self.confidence >= SURE and self.misfit <= NEAR_ENOUGH


def names() -> list[str]:
    """Return the names in the table, in its order."""
    return list(dict.fromkeys(portrait.name for portrait in table()))


def of_name(name: str) -> list[Identity]:
    """Return the identities that a name stands for.

    Raises:
        ConfigError: there is no such name; the nearest are told.
    """
    wanted = " ".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    wanted = ALSO.get(wanted, wanted)
    found = [portrait.identity for portrait in table() if portrait.name.lower() == wanted]
    if not found:
        known = [*names(), *ALSO]
        near = get_close_matches(wanted, known, n=3, cutoff=0.4)
        hint = f"near to it: {', '.join(near)}; " if near else ""
        raise ConfigError(
            f"no instrument is called '{name}'; {hint}musisep inspect instruments lists all"
        )
    return found


def nearest(heard: Identity) -> list[Nearest]:
    """Return all instruments, the most probable first; none for a stem without tones."""
    if heard.total_s <= 0:
        return []
    misfits: dict[str, float] = {}
    for portrait in table():
        found = misfit(known=portrait.identity, heard=heard)
        misfits[portrait.name] = min(found, misfits.get(portrait.name, found))
    values = np.array(list(misfits.values()))
    usual = np.array([SELDOM if name in RARE else 1.0 for name in misfits])
    weights = usual * np.exp(-SHARPNESS * (values - values.min()))
    shares = weights / weights.sum()  # (1)
    rows = [
        Nearest(name, float(share), float(value))
        for name, share, value in zip(misfits, shares, values, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.confidence)


def named(stems: Sequence[str], heard: Sequence[Identity]) -> list[str]:
    """Return the names of stems, with that of the nearest instrument where it is sure.

    Two of one instrument are numbered. Names that are more than a number are kept.

    Args:
        stems: their names.
        heard: what they are like.
    """
    taken = [name for name in stems if not NUMBERED.fullmatch(name)]
    found = []
    for name, identity in zip(stems, heard, strict=True):
        near = nearest(identity)[:1]
        if name in taken or not (near and near[0].is_sure):
            found.append(name)
            continue
        word, number = near[0].name.replace(" ", "-"), 1
        wanted = word
        while wanted in (*taken, *found):
            number += 1
            wanted = f"{word}-{number}"
        found.append(wanted)
    return found


@cache
def table() -> tuple[Portrait, ...]:
    """Return all portraits, those of one name in a row."""
    return from_bytes((resources.files("musisep_cli.tones") / FILE).read_bytes())


def save(portraits: Sequence[Portrait], path: Path) -> None:
    """Write portraits into a file, a byte for every number."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(portraits))


def to_bytes(portraits: Sequence[Portrait]) -> bytes:
    """Return portraits as the content of a file: a row per portrait and pitch."""
    rows = [
        (number, g, portrait.identity)
        for number, portrait in enumerate(portraits)
        for g in np.flatnonzero(portrait.identity.heard_s > 0)
    ]
    levels = [np.round(each.level_db[g] / LEVEL_STEP_DB) for _, g, each in rows]
    spreads = [np.round(each.spread_db[g] / SPREAD_STEP_DB) for _, g, each in rows]
    stored = {
        "portrait": np.array([number for number, _, _ in rows], np.uint16),
        "midi": np.array([LOWEST_SEMITONE + g for _, g, _ in rows], np.uint8),
        "reach": np.array([each.reach[g] for _, g, each in rows], np.uint8),
        "level": np.clip(np.array(levels).reshape(-1, N_HARMONICS), -128, 0).astype(np.int8),
        "spread": np.clip(np.array(spreads).reshape(-1, N_HARMONICS), 0, 255).astype(np.uint8),
    }
    known = [[portrait.name, portrait.program] for portrait in portraits]
    stored["names"] = np.frombuffer(json.dumps(known).encode(), np.uint8)
    return serialise(stored)


def from_bytes(content: bytes) -> tuple[Portrait, ...]:
    """Return the portraits of ``to_bytes``."""
    stored = deserialise(content)
    known = json.loads(stored["names"].tobytes().decode())
    return tuple(
        _portrait(number, str(name), int(program), stored)
        for number, (name, program) in enumerate(known)
    )


def _portrait(number: int, name: str, program: int, stored: dict[str, np.ndarray]) -> Portrait:
    """Return one portrait of the stored rows ``[k]``."""
    rows = np.flatnonzero(stored["portrait"] == number)
    at = stored["midi"][rows].astype(int) - LOWEST_SEMITONE
    level_db, spread_db = np.zeros((2, N_SEMITONES, N_HARMONICS))
    heard_s, reach = np.zeros(N_SEMITONES), np.full(N_SEMITONES, N_HARMONICS)
    level_db[at] = LEVEL_STEP_DB * stored["level"][rows]
    spread_db[at] = SPREAD_STEP_DB * stored["spread"][rows]
    heard_s[at], reach[at] = PITCH_S, stored["reach"][rows]
    identity = Identity(
        level_db=level_db,
        spread_db=spread_db,
        heard_s=heard_s,
        reach=reach,
        origin=f"the table's {name}, General MIDI program {program}",
    )
    return Portrait(name, program, identity)
