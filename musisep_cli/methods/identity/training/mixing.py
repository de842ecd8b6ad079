"""Mixing: mixtures whose parts are known, targets, and excerpts of the same instruments.

A mixture is a few parts of one piece, or of several pieces, each in a room of its own, coloured and
a little faster or slower, at a random level. It serves twice: two of its instruments are asked for
in turn, so that only the excerpt tells the network what to do. The excerpt is another passage, in
another room. Some excerpts are of an instrument that does not play.

Everything is drawn from a seed and a number: batch k is the same whenever it is drawn.

Axes: ``b`` mixtures, ``i`` parts, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.training import pool

Wave = NDArray[np.float32]
Stave = tuple[int, int]
"""A part among all: number of its piece, and which of the piece's parts it is."""


@dataclass(frozen=True, kw_only=True)
class MixingConfig:
    """What mixtures are like."""

    duration_s: float = 4.0
    """Length of mixtures and excerpts in seconds."""
    n_mixtures: int = 2
    """Mixtures of a batch; each is asked for ``n_asked`` instruments. Departs from the
    specification, which has 8 questions a batch: half of them make a step twice as cheap, and on a
    shared core steps are what there is too little of."""
    n_asked: int = 2
    """Instruments asked for in a mixture."""
    most_parts: int = 5
    """A mixture has 2 to this many parts."""
    coherent: float = 0.5
    """Share of mixtures whose parts belong to one piece."""
    absent: float = 0.1
    """Share of questions for an instrument that does not play."""
    spread_db: float = 6.0
    """A part's level is this much above or below an equal share at most."""
    rooms: float = 0.6
    """Share of parts that stand in a room."""
    noise_db: tuple[float, float] = (-60.0, -30.0)
    """Level of the noise against the mixture, in dB."""


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """A batch of questions.

    Attributes:
        mixture: what is heard, of RMS 0.1, ``[b, t]``.
        target: what is asked for, ``[b, t]``; all zeros where it does not play.
        excerpt: its instrument alone, ``[b, t]``.
        row: row of its class, ``[b]``; -1 for imaginary instruments.
    """

    mixture: Wave
    target: Wave
    excerpt: Wave
    row: NDArray[np.int64]


RMS = 0.1
"""Level of every mixture."""
MARGIN_S = 1.3
"""Seconds before an excerpt that its room still carries into it; longer than any reverberation."""
N_COLOURS, N_ROOMS = 128, 128
"""Colours and rooms to choose from: to draw them anew for each part would cost more than a step."""
COLOUR_DB = 6.0
"""Colours lift or lower by this much at most."""
SHIFT = 0.02
"""Parts are this much faster or slower at most, and higher or lower with it."""
LOUD_DB = -25.0
"""A target that is this much quieter than its part on the average is drawn again."""
_TRIES = 8


class Mixer:
    """Draws mixtures from a pool.

    Args:
        folder: the pool's.
        n_pieces: its first pieces to use; they are there.
        config: what to draw.
        seed: of all that is drawn.

    Raises:
        ConfigError: a piece is missing.
    """

    def __init__(self, folder: Path, n_pieces: int, config: MixingConfig, seed: int) -> None:
        there = pool.n_made(folder)
        if there < n_pieces:
            raise ConfigError(
                f"{folder}: holds {there} pieces of {n_pieces}; make the others first, with "
                "python -m musisep_cli.methods.identity.training pool"
            )
        self.config, self.seed = config, seed
        self.pieces = [pool.read(folder, number) for number in range(n_pieces)]
        self.staves: dict[str, list[Stave]] = defaultdict(list)
        for number, piece in enumerate(self.pieces):
            for index, part in enumerate(piece.parts):
                self.staves[part.instrument].append((number, index))
        self.n_samples = round(config.duration_s * SAMPLE_RATE_HZ)
        self.n_margin = round(MARGIN_S * SAMPLE_RATE_HZ)
        self.n_transform = scipy.fft.next_fast_len(self.n_samples + self.n_margin, real=True)
        rng = np.random.default_rng([seed, 1])
        self.colours = _colours(self.n_transform, rng)
        self.rooms = _rooms(self.n_transform, rng)

    def batch(self, number: int) -> Mixtures:
        """Return the batch of a number."""
        rng = np.random.default_rng([self.seed, 2, number])
        drawn = [self._questions(rng) for _ in range(self.config.n_mixtures)]
        mixture, target, excerpt, row = zip(
            *[q for questions in drawn for q in questions], strict=True
        )
        return Mixtures(
            mixture=np.stack(mixture),
            target=np.stack(target),
            excerpt=np.stack(excerpt),
            row=np.array(row),
        )

    def _questions(self, rng: np.random.Generator) -> list[tuple[Wave, Wave, Wave, int]]:
        """Return mixture, target, excerpt and row of all that is asked of one mixture."""
        staves, begins, waves = self._parts(rng)
        mixture = waves.sum(0)
        noise_db = rng.uniform(*self.config.noise_db)
        noise = rng.standard_normal(self.n_samples, np.float32)
        mixture = mixture + noise * (_rms(mixture) * 10 ** (noise_db / 20))
        gain = RMS / _rms(mixture)
        questions = []
        for index in rng.permutation(len(staves))[: self.config.n_asked]:
            stave, begin, target = staves[index], begins[index], waves[index]
            if rng.random() < self.config.absent:
                stave, target = self._other(staves, rng), np.zeros_like(target)
            part = self.pieces[stave[0]].parts[stave[1]]
            row = -1 if part.row is None else part.row
            excerpt = self._excerpt(stave, begin, rng)
            questions.append((mixture * gain, target * gain, excerpt, row))
        return questions

    def _parts(self, rng: np.random.Generator) -> tuple[list[Stave], list[int], Wave]:
        """Return parts, their first samples, and their waveforms ``[i, t]`` at their levels."""
        for _ in range(_TRIES):
            together = rng.random() < self.config.coherent
            staves = self._of_one_piece(rng) if together else self._of_any_piece(rng)
            begin = self._begin(rng)
            begins = [begin if together else self._begin(rng) for _ in staves]
            levels_db = rng.uniform(-1, 1, len(staves)) * self.config.spread_db
            found = [
                (stave, start, self._in_room(stave, start, rng) * float(10 ** (level_db / 20)))
                for stave, start, level_db in zip(staves, begins, levels_db, strict=True)
                if self._sounds(stave, start)
            ]
            if len(found) > 1:
                sounding, starts, waves = zip(*found, strict=True)
                return list(sounding), list(starts), np.stack(waves)
        raise ConfigError("the music is silent nearly everywhere; make it again")

    def _of_one_piece(self, rng: np.random.Generator) -> list[Stave]:
        """Return staves of different instruments of one piece."""
        number = int(rng.integers(len(self.pieces)))
        order = rng.permutation(len(self.pieces[number].parts))
        return self._different([(number, int(index)) for index in order], rng)

    def _of_any_piece(self, rng: np.random.Generator) -> list[Stave]:
        """Return staves of different instruments of any pieces."""
        numbers = [int(n) for n in rng.integers(len(self.pieces), size=2 * self.config.most_parts)]
        indices = [int(rng.integers(len(self.pieces[number].parts))) for number in numbers]
        return self._different(list(zip(numbers, indices, strict=True)), rng)

    def _different(self, candidates: list[Stave], rng: np.random.Generator) -> list[Stave]:
        """Return the first few of the candidates, no instrument twice."""
        n_parts = int(rng.integers(2, self.config.most_parts + 1))
        staves = {self._instrument(stave): stave for stave in candidates}
        return list(staves.values())[:n_parts]

    def _other(self, staves: list[Stave], rng: np.random.Generator) -> Stave:
        """Return a stave of an instrument that is not among those of the staves."""
        present = {self._instrument(stave) for stave in staves}
        absent = sorted(set(self.staves) - present)
        return self._any_of(absent[rng.integers(len(absent))], rng)

    def _excerpt(self, stave: Stave, begin: int, rng: np.random.Generator) -> Wave:
        """Return the same instrument's waveform in another room, at another time than ``begin``.

        An instrument that plays in one part only is heard elsewhere in it.
        """
        same = [other for other in self.staves[self._instrument(stave)] if other != stave]
        for _ in range(_TRIES):
            chosen = same[rng.integers(len(same))] if same else stave
            start = self._begin(rng)
            elsewhere = chosen != stave or abs(start - begin) > self.n_samples
            if elsewhere and self._sounds(chosen, start):
                break
        return self._in_room(chosen, start, rng)

    def _any_of(self, instrument: str, rng: np.random.Generator) -> Stave:
        staves = self.staves[instrument]
        return staves[rng.integers(len(staves))]

    def _instrument(self, stave: Stave) -> str:
        return self.pieces[stave[0]].parts[stave[1]].instrument

    def _begin(self, rng: np.random.Generator) -> int:
        """Return a random first sample for which the margin before it is there too."""
        n_piece = self.pieces[0].samples.shape[1]
        return int(
            rng.integers(round(self.n_margin * 1.05), round(n_piece - self.n_samples * 1.05))
        )

    def _sounds(self, stave: Stave, begin: int) -> bool:
        """Return whether a part sounds from ``begin`` on for as long as a mixture lasts."""
        samples = self.pieces[stave[0]].samples[stave[1]]
        sparse = samples[::16].astype(np.float32)
        excerpt = samples[begin : begin + self.n_samples : 16].astype(np.float32)
        return bool(_rms(excerpt) > _rms(sparse) * 10 ** (LOUD_DB / 20))

    def _in_room(self, stave: Stave, begin: int, rng: np.random.Generator) -> Wave:
        """Return a part's waveform ``[t]`` of RMS 1: stretched, coloured, in a room."""
        length = self.n_samples + self.n_margin
        samples = self.pieces[stave[0]].samples[stave[1]]
        speed = 1 + SHIFT * rng.uniform(-1, 1)
        at = begin - self.n_margin + speed * np.arange(length)
        first = int(at[0])
        near = samples[first : int(at[-1]) + 2].astype(np.float32)
        wave = np.interp(at - first, np.arange(len(near)), near).astype(np.float32)
        filters = self.colours[rng.integers(N_COLOURS)]
        if rng.random() < self.config.rooms:
            filters = filters * self.rooms[rng.integers(N_ROOMS)]
        spectrum = scipy.fft.rfft(wave, self.n_transform) * filters
        # The transform is circular: what wraps around falls into the margin.
        heard = scipy.fft.irfft(spectrum, self.n_transform)[self.n_margin : length]
        level: Wave = (heard / max(_rms(heard), 1e-9)).astype(np.float32)
        return level


def _rms(wave: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(wave))))


def _colours(n_transform: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return gains ``[colours, f]`` that vary smoothly over the octaves."""
    octaves = np.log2(1 + np.arange(n_transform // 2 + 1))
    knots = np.linspace(0, octaves[-1], 9)
    gains_db = [
        np.interp(octaves, knots, rng.uniform(-COLOUR_DB, COLOUR_DB, len(knots)))
        for _ in range(N_COLOURS)
    ]
    return (10 ** (np.stack(gains_db) / 20)).astype(np.float32)


def _rooms(n_transform: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Return responses ``[rooms, f]``: the sound itself, and noise that dies away."""
    t = np.arange(round(1.2 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    responses = []
    for _ in range(N_ROOMS):
        fall = 10 ** (-3 * t / rng.uniform(0.2, 1.2)) * (t > rng.uniform(0.002, 0.02))
        tail = fall * rng.standard_normal(len(t))
        tail *= 10 ** (rng.uniform(-20, -3) / 20) / np.linalg.norm(tail)
        tail[0] += 1
        responses.append(scipy.fft.rfft(tail.astype(np.float32), n_transform))
    return np.stack(responses).astype(np.complex64)
