"""Pool: a folder of pieces, made once, from which training mixes.

Piece k is the same wherever it is made: its number is its seed. Two files hold it, parts as 16-bit
samples ``k.npy [i, t]`` at 16 kHz and ``k.json`` with who plays them, written last. Whatever is
there already is left alone, so that several processes may fill one folder and any may be stopped.

Half of the melodic parts are played by imaginary instruments, half by sampled ones; two parts in
five pieces are drums.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.files import atomic_path, write_json_atomic
from musisep_cli.methods.identity.instruments import DRUMS, HELD_OUT_PROGRAMS, INSTRUMENTS
from musisep_cli.methods.identity.training import additive, soundfont
from musisep_cli.methods.identity.training.midi_file import MidiPart
from musisep_cli.methods.identity.training.phrases import Harmony, PlayedNote, harmony, phrase

SAMPLED = "sampled"
N_IMAGINARY = 400
"""Imaginary instruments of a pool: few enough for each to play several parts."""
PEAK = 0.5
"""Peak of every stored part; levels are drawn when parts are mixed."""
SILENT_PEAK = 1e-3
"""A part that plays more quietly than this has nothing that its instrument can play."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a pool is for."""

    name: str
    """Of its folder."""
    programs: tuple[int, ...]
    """Programs that play in it."""
    font: Path
    """Where their sounds come from."""
    imaginary: float
    """Share of melodic parts that imaginary instruments play."""
    first_seed: int
    """Seeds of pools do not meet."""
    drums: float = 0.4
    """Share of pieces with drums."""


_MELODIC = tuple(p for instrument in INSTRUMENTS for p in instrument.programs)
_TRAINED = tuple(p for p in _MELODIC if p not in HELD_OUT_PROGRAMS)

KINDS = (
    Kind(name="training", programs=_TRAINED, font=soundfont.FLUID, imaginary=0.5, first_seed=0),
    Kind(
        name="held-out",
        programs=HELD_OUT_PROGRAMS,
        font=soundfont.FLUID,
        imaginary=0.0,
        first_seed=1_000_000,
    ),
    Kind(
        name="other-font",
        programs=_MELODIC,
        font=soundfont.TIM,
        imaginary=0.0,
        first_seed=2_000_000,
    ),
)
"""To learn from; to be examined with instruments and with sounds that no training saw."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Who plays a part."""

    instrument: str
    """Equal for parts of the same instrument, such as ``program 40`` or ``imaginary 7``."""
    row: int | None
    """Row of its class; none for imaginary instruments."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stored piece: its parts, and their samples ``[i, t]``, 16 bit, mapped from the disk."""

    parts: tuple[Part, ...]
    samples: NDArray[np.int16]


def fill(folder: Path, kind: Kind, numbers: Iterable[int]) -> Iterator[int]:
    """Make those of a pool's pieces that are missing; yields the number of each one made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        if not _meta(folder, number).exists():
            _make(folder, kind, number)
            yield number


def n_made(folder: Path) -> int:
    """Return how many pieces from the first on are there without a gap."""
    number = 0
    while _meta(folder, number).exists():
        number += 1
    return number


def read(folder: Path, number: int) -> Piece:
    """Return a piece; its samples are read from the disk when they are used."""
    content = json.loads(_meta(folder, number).read_text(encoding="utf-8"))
    return Piece(
        parts=tuple(Part(**part) for part in content),
        samples=np.load(_samples(folder, number), mmap_mode="r"),
    )


def _make(folder: Path, kind: Kind, number: int) -> None:
    """Compose, play and store one piece."""
    rng = np.random.default_rng([kind.first_seed + number])
    shared = harmony(rng)
    parts, waves = _played(kind, shared, rng)
    peaks = np.abs(waves).max(1)
    heard = np.flatnonzero(peaks > SILENT_PEAK)
    scaled = waves[heard] * (PEAK * 32_767 / peaks[heard, None])
    with atomic_path(_samples(folder, number)) as temporary:
        np.save(temporary, np.round(scaled).astype(np.int16))
    write_json_atomic(_meta(folder, number), [asdict(parts[index]) for index in heard])


def _played(
    kind: Kind, shared: Harmony, rng: np.random.Generator
) -> tuple[list[Part], NDArray[np.float32]]:
    """Return the parts of a piece and their waveforms ``[i, t]``."""
    n_melodic = int(rng.integers(3, 6))
    n_imaginary = int(rng.binomial(n_melodic, kind.imaginary))
    parts, scores, waves = [], [], []
    for program in _programs(kind, n_melodic - n_imaginary, rng):
        part, score = _sampled(program, shared, rng)
        parts.append(part)
        scores.append(score)
    if rng.random() < kind.drums:
        parts.append(Part(instrument="drums", row=DRUMS))
        scores.append(MidiPart(notes=phrase(shared, "drums", 0, 1, rng), program=None))
    for _ in range(n_imaginary):
        part, wave = _imagined(shared, rng)
        parts.append(part)
        waves.append(wave)
    played = soundfont.play(scores, kind.font) if scores else np.zeros((0, len(waves[0])))
    return parts, np.concatenate([played, *[wave[None] for wave in waves]]).astype(np.float32)


def _programs(kind: Kind, n: int, rng: np.random.Generator) -> list[int]:
    """Return programs of different classes, each class as likely as any other."""
    of_row = {
        row: [program for program in instrument.programs if program in kind.programs]
        for row, instrument in enumerate(INSTRUMENTS)
    }
    rows = [row for row, programs in of_row.items() if programs]
    return [int(rng.choice(of_row[int(row)])) for row in rng.choice(rows, n, replace=False)]


def _sampled(program: int, shared: Harmony, rng: np.random.Generator) -> tuple[Part, MidiPart]:
    """Return a program's part, and its score."""
    row = next(r for r, each in enumerate(INSTRUMENTS) if program in each.programs)
    instrument = INSTRUMENTS[row]
    ways = ("chords", "chords", "arpeggio", "melody") if instrument.chords else ("melody",)
    low_ones = instrument.highest_midi <= 62
    way = "bass" if low_ones and rng.random() < 0.6 else str(rng.choice(ways))
    notes = phrase(shared, way, instrument.lowest_midi, instrument.highest_midi, rng)
    score = MidiPart(
        notes=notes,
        program=program,
        cents=rng.normal(0, 8),
        vibrato=int(rng.integers(0, 60)) if rng.random() < 0.4 else 0,
    )
    return Part(instrument=f"program {program}", row=row), score


def _imagined(shared: Harmony, rng: np.random.Generator) -> tuple[Part, NDArray[np.float32]]:
    """Return a part for a random imaginary instrument, and its waveform ``[t]``."""
    number = int(rng.integers(N_IMAGINARY))
    lowest = int(np.random.default_rng([number, 7]).integers(31, 73))
    way = str(rng.choice(("melody", "melody", "chords", "arpeggio")))
    notes: list[PlayedNote] = phrase(shared, way, lowest, lowest + 29, rng)
    wave = additive.play(additive.imaginary(number), notes, rng)
    return Part(instrument=f"imaginary {number}", row=None), wave


def _meta(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _samples(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.npy"
