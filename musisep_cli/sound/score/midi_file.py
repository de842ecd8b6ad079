"""MIDI file: the parts of a score or of a performance, read by mido.

Every track and channel with notes is a part. Pitch bends move the notes that sound, by the range
that the file sets (two semitones unless it does). The tenth channel holds drums by General MIDI,
whose keys are no pitches; it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mido
import numpy as np
from mido.midifiles.meta import KeySignatureError

from musisep_cli.errors import InputError
from musisep_cli.sound.score.part import KnownNote, Part

DRUMS = 9
"""Channel of the drums, counted from 0."""
BEND_CENTS = 200.0
"""Cents of the largest bend unless the file sets another, by General MIDI."""
LARGEST_BEND = 8192
"""Value of the largest bend."""
RANGE_CONTROLS = {101: "high", 100: "low"}
"""Controllers that choose a registered parameter; the parameter 0, 0 is the range of bends."""
DATA_COARSE = 6
"""Controller that sets a registered parameter: semitones, where that is the range of bends."""


@dataclass
class _Sounding:
    """A note that has begun: its key, and the points of its pitch so far."""

    onset_s: float
    key: int
    points: list[tuple[float, float]]


@dataclass
class _Player:
    """One channel of one track, as far as the file was read."""

    bend: float = 0.0
    range_cents: float = BEND_CENTS
    parameter: dict[str, int] = field(default_factory=dict)
    sounding: dict[int, _Sounding] = field(default_factory=dict)
    notes: list[KnownNote] = field(default_factory=list)

    @property
    def bent_semitones(self) -> float:
        """Return how far the notes are bent, in semitones."""
        return self.bend * self.range_cents / 100

    def start(self, key: int, now_s: float) -> None:
        """Begin a note; one of the same key that still sounds ends."""
        self.end(key, now_s)
        self.sounding[key] = _Sounding(now_s, key, [(now_s, key + self.bent_semitones)])

    def end(self, key: int, now_s: float) -> None:
        """End a note, if it sounds."""
        note = self.sounding.pop(key, None)
        if note is not None and now_s > note.onset_s:
            times, semitones = np.array(note.points).T
            self.notes.append(
                KnownNote(onset_s=note.onset_s, offset_s=now_s, times_s=times, semitones=semitones)
            )

    def bend_to(self, bend: float, now_s: float) -> None:
        """Bend the notes that sound, and those that will, to a share of the range."""
        self.bend = bend
        for note in self.sounding.values():
            point = (now_s, note.key + self.bent_semitones)
            if note.points[-1][0] == now_s:
                note.points[-1] = point
            else:
                note.points.append(point)

    def control(self, number: int, value: int) -> None:
        """Take a controller's value: only the range of bends is heeded."""
        if number in RANGE_CONTROLS:
            self.parameter[RANGE_CONTROLS[number]] = value
        elif number == DATA_COARSE and self.parameter == {"high": 0, "low": 0}:
            self.range_cents = 100.0 * value


def read_midi(path: Path) -> list[Part]:
    """Read the parts of a MIDI file, in the order of its tracks and channels.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    try:
        file = mido.MidiFile(path)
        tempo = _Tempo.of(file)
        parts: list[Part] = []
        for track in file.tracks:
            parts += _parts(track, tempo)
    except (OSError, EOFError, ValueError, LookupError, TypeError, KeySignatureError) as error:
        raise InputError(
            f"{path}: cannot be read as a MIDI file ({str(error) or type(error).__name__}). "
            "Export it again."
        ) from error
    return parts


@dataclass(frozen=True)
class _Tempo:
    """Turns ticks into seconds by the tempi of all tracks."""

    ticks: list[int]
    seconds: list[float]
    seconds_per_tick: list[float]

    @classmethod
    def of(cls, file: Any) -> _Tempo:
        """Collect the changes of tempo of a file; half a second a quarter before the first."""
        changes = {0: 500_000}
        for track in file.tracks:
            now = 0
            for message in track:
                now += message.time
                if message.type == "set_tempo":
                    changes[now] = message.tempo
        quarter = file.ticks_per_beat
        ticks, rates, seconds = sorted(changes), [], [0.0]
        for tick in ticks:
            rates.append(mido.tick2second(1, quarter, changes[tick]))
        for before, after, rate in zip(ticks, ticks[1:], rates, strict=False):
            seconds.append(seconds[-1] + (after - before) * rate)
        return cls(ticks, seconds, rates)

    def at(self, tick: int) -> float:
        """Return the time of a tick in s."""
        part = int(np.searchsorted(self.ticks, tick, side="right")) - 1
        return self.seconds[part] + (tick - self.ticks[part]) * self.seconds_per_tick[part]


def _parts(track: Any, tempo: _Tempo) -> list[Part]:
    """Return the parts of one track, one of every channel that has notes."""
    players: dict[int, _Player] = {}
    name, now = "", 0
    for message in track:
        now += message.time
        if message.type == "track_name":
            name = message.name
        channel = getattr(message, "channel", DRUMS)
        if channel != DRUMS:
            _play(players.setdefault(channel, _Player()), message, tempo.at(now))
    for player in players.values():
        for key in list(player.sounding):
            player.end(key, tempo.at(now))
    with_notes = [player for player in players.values() if player.notes]
    return [Part(name=name, notes=()).with_notes(player.notes) for player in with_notes]


def _play(player: _Player, message: Any, now_s: float) -> None:
    """Let a player follow one message of its channel."""
    kind = message.type
    if kind == "note_on" and message.velocity > 0:
        player.start(message.note, now_s)
    elif kind in ("note_on", "note_off"):
        player.end(message.note, now_s)
    elif kind == "pitchwheel":
        player.bend_to(message.pitch / LARGEST_BEND, now_s)
    elif kind == "control_change":
        player.control(message.control, message.value)
