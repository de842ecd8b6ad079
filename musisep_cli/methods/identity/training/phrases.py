"""Phrases: notes of parts that belong together, composed by chance and a little harmony.

A piece has a key, a tempo and a chord for every bar. A part has a way of playing: a melody walks
along the scale and meets the chord on strong beats; chords, arpeggios and basses play the chord;
drums play a pattern. It is music enough for parts to share onsets and harmonics as real ones do.

Times are in beats while composing, and in seconds in what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

PIECE_S = 24.0
"""Length of every piece in seconds."""
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
"""Semitones of the scales above their key."""
NEXT_DEGREES = {0: (0, 3, 4, 5), 1: (4, 4, 6), 3: (0, 1, 4), 4: (0, 0, 5), 5: (1, 3, 4), 6: (0, 5)}
"""Chords, by the degree of their root, that may follow a chord."""
RHYTHMS = (
    (1.0, 1.0, 1.0, 1.0),
    (2.0, 1.0, 1.0),
    (0.5, 0.5, 1.0, 0.5, 0.5, 1.0),
    (1.5, 0.5, 2.0),
    (0.5,) * 8,
    (4.0,),
    (2.0, 2.0),
    (0.75, 0.25, 1.0, 1.0, 1.0),
    (1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 1.0),
    (3.0, 1.0),
)
"""Lengths of the notes of a bar in beats; a bar has four."""
KICK, SNARE, CLOSED_HAT, OPEN_HAT, CRASH, TOM = 36, 38, 42, 46, 49, 45
"""Keys of General MIDI's drums."""


@dataclass(frozen=True, kw_only=True)
class PlayedNote:
    """One note."""

    onset_s: float
    """When it begins, in seconds from the start of the piece."""
    offset_s: float
    """When it is let go, in seconds."""
    midi: int
    """Its pitch in semitones of MIDI, or its key among drums."""
    velocity: int
    """How hard it is struck, 1 to 127."""


@dataclass(frozen=True, kw_only=True)
class Harmony:
    """What all parts of a piece share."""

    beat_s: float
    """Length of a beat in seconds."""
    key: int
    """Semitones of the key above C."""
    scale: tuple[int, ...]
    """Semitones of the scale above the key."""
    degrees: tuple[int, ...]
    """Degree of the root of every bar's chord."""

    def pitch(self, step: int) -> int:
        """Return the pitch in MIDI of a step of the scale, step 0 being the key in octave 0."""
        octave, degree = divmod(step, len(self.scale))
        return 12 + self.key + 12 * octave + self.scale[degree]

    def nearest_step(self, midi: float) -> int:
        """Return the step of the scale whose pitch is nearest to one in MIDI."""
        return min(range(70), key=lambda step: abs(self.pitch(step) - midi))


Played = tuple[float, float, int]
"""Onset and length in beats, and pitch in MIDI."""
Way = Callable[[Harmony, int, int, np.random.Generator], Iterator[Played]]
"""A way of playing between a lowest and a highest pitch."""


def harmony(generator: np.random.Generator) -> Harmony:
    """Return a random key, tempo and row of chords that lasts longer than a piece."""
    beat_s = 60 / generator.uniform(60, 160)
    degrees = [0]
    while len(degrees) * 4 * beat_s < PIECE_S:
        degrees.append(int(generator.choice(NEXT_DEGREES[degrees[-1]])))
    return Harmony(
        beat_s=beat_s,
        key=int(generator.integers(12)),
        scale=MAJOR if generator.random() < 0.6 else MINOR,
        degrees=tuple(degrees),
    )


def phrase(
    shared: Harmony, way: str, lowest: int, highest: int, generator: np.random.Generator
) -> list[PlayedNote]:
    """Return a part's notes of one piece, in order of onset.

    Args:
        shared: key, tempo and chords.
        way: a name in ``WAYS``.
        lowest: lowest pitch of the instrument in MIDI.
        highest: highest pitch.
        generator: of all choices.
    """
    # A part keeps to two octaves of its instrument.
    low = lowest + int(generator.uniform(0, max(highest - lowest - 24, 0) + 1))
    high = min(low + 24, highest)
    loudness, legato = generator.uniform(60, 105), generator.uniform(0.55, 1.02)
    notes = [
        _note(shared, played, loudness, legato, generator)
        for played in WAYS[way](shared, low, high, generator)
    ]
    return [note for note in notes if note.onset_s < PIECE_S - 0.2]


def _note(
    shared: Harmony, played: Played, loudness: float, legato: float, generator: np.random.Generator
) -> PlayedNote:
    """Return a note as a player plays it: not quite in time, not all equally loud."""
    onset, length, midi = played
    onset_s = max(onset * shared.beat_s + generator.normal(0, 0.008), 0.0)
    length_s = max(length * shared.beat_s * legato, 0.06)
    velocity = int(np.clip(loudness + generator.normal(0, 10), 20, 127))
    return PlayedNote(
        onset_s=onset_s,
        offset_s=min(onset_s + length_s, PIECE_S),
        midi=midi,
        velocity=velocity,
    )


def melody(
    shared: Harmony, low: int, high: int, generator: np.random.Generator
) -> Iterator[Played]:
    """Walk along the scale, meet the chord where a bar begins, and rest now and then."""
    step = shared.nearest_step(generator.uniform(low, high))
    for bar, degree in enumerate(shared.degrees):
        onset = 4.0 * bar
        if generator.random() < 0.12:
            continue
        step = _in_chord(step, degree)
        for length in RHYTHMS[generator.integers(len(RHYTHMS))]:
            if generator.random() > 0.08:
                yield onset, length, _within(shared.pitch(step), low, high)
            onset += length
            step += int(generator.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3)))
            step = shared.nearest_step(_within(shared.pitch(step), low, high))


def chords(
    shared: Harmony, low: int, high: int, generator: np.random.Generator
) -> Iterator[Played]:
    """Play three or four notes of the chord together, once to four times a bar."""
    times = int(generator.choice((1, 2, 2, 4)))
    spread = generator.uniform(0, 0.04)
    middle = generator.uniform(low + 4, max(high - 8, low + 5))
    for bar, degree in enumerate(shared.degrees):
        pitches = _voiced(shared, degree, middle, low, high, int(generator.integers(3, 5)))
        for beat in range(times):
            for voice, pitch in enumerate(pitches):
                yield 4 * bar + 4 * beat / times + spread * voice, 4 / times, pitch


def arpeggio(
    shared: Harmony, low: int, high: int, generator: np.random.Generator
) -> Iterator[Played]:
    """Play the notes of the chord one after another, up or up and down."""
    length = float(generator.choice((0.25, 0.5, 0.5, 1.0)))
    middle, falls = generator.uniform(low, max(high - 12, low + 1)), generator.random() < 0.5
    for bar, degree in enumerate(shared.degrees):
        rising = sorted(_voiced(shared, degree, middle, low, high, 4))
        order = rising + rising[-2:0:-1] if falls else rising
        for number in range(round(4 / length)):
            yield 4 * bar + number * length, length, order[number % len(order)]


def bass(shared: Harmony, low: int, high: int, generator: np.random.Generator) -> Iterator[Played]:
    """Play the root, and sometimes the fifth, on the beats."""
    lengths = RHYTHMS[generator.integers(4)]
    for bar, degree in enumerate(shared.degrees):
        root = shared.nearest_step(low + 6) // 7 * 7 + degree
        onset = 4.0 * bar
        for length in lengths:
            step = root + (4 if generator.random() < 0.25 else 0)
            yield onset, length, _within(shared.pitch(step), low, high)
            onset += length


def drums(shared: Harmony, low: int, high: int, generator: np.random.Generator) -> Iterator[Played]:
    """Repeat a pattern of kick, snare and hat; ``low`` and ``high`` have no meaning here."""
    divisions = int(generator.choice((4, 8, 8, 16)))
    kick = generator.random(divisions) < 0.25
    kick[0] = True
    snare = np.arange(divisions) % (divisions // 2) == divisions // 4
    snare |= generator.random(divisions) < 0.06
    hat = OPEN_HAT if generator.random() < 0.2 else CLOSED_HAT
    for bar in range(len(shared.degrees)):
        for place in range(divisions):
            onset = 4 * bar + 4 * place / divisions
            struck = [(KICK, kick[place]), (SNARE, snare[place]), (hat, generator.random() < 0.8)]
            struck.append((TOM, bar % 4 == 3 and place >= divisions * 3 // 4))
            struck.append((CRASH, bar % 8 == 0 and place == 0))
            yield from ((onset, 0.2, key) for key, sounds in struck if sounds)


WAYS: dict[str, Way] = {
    "melody": melody,
    "chords": chords,
    "arpeggio": arpeggio,
    "bass": bass,
    "drums": drums,
}
"""Ways of playing by name."""


def _in_chord(step: int, degree: int) -> int:
    """Return the step of the chord on a degree that is nearest to a step."""
    candidates = [7 * octave + degree + third for octave in range(10) for third in (0, 2, 4)]
    return min(candidates, key=lambda candidate: abs(candidate - step))


def _within(midi: int, low: int, high: int) -> int:
    """Return a pitch moved by octaves into a range, or its nearest end."""
    while midi < low:
        midi += 12
    while midi > high:
        midi -= 12
    return max(midi, low)


def _voiced(
    shared: Harmony, degree: int, middle: float, low: int, high: int, n_voices: int
) -> list[int]:
    """Return pitches of a chord around a middle one, without doubles."""
    step = _in_chord(shared.nearest_step(middle), degree)
    steps = [step]
    while len(steps) < n_voices:
        steps.append(_next_in_chord(steps[-1], degree))
    return sorted({_within(shared.pitch(each), low, high) for each in steps})


def _next_in_chord(step: int, degree: int) -> int:
    """Return the next step of the chord above a step."""
    above = step + 1
    while (above - degree) % 7 not in (0, 2, 4):
        above += 1
    return above
