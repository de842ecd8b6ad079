"""Portraits: what every instrument of General MIDI is like, learned from notes that are played.

Every program plays its range in even steps, each note loud and soft; its pitch is known, and so the
identity is learned as from a solo (``tones.identity``). All together are the table that a name such
as ``--instrument violin`` stands for, and by which stems are named. They describe harmonics only:
no recorded or sampled sound is in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.instruments import INSTRUMENTS, Instrument
from musisep_cli.methods.identity.training import soundfont
from musisep_cli.methods.identity.training.midi_file import MidiPart
from musisep_cli.methods.identity.training.phrases import PIECE_S, PlayedNote
from musisep_cli.sound.pitch import frequency_hz
from musisep_cli.tones.identity import learn
from musisep_cli.tones.instruments import Portrait
from musisep_cli.tones.tracks import PitchTracks

NOTE_S, SOUNDS_S = 0.5, 0.42
"""From note to note, and how long each is held, in seconds."""
VELOCITIES = (100, 55)
"""How hard each pitch is struck: a loud note is brighter."""
SKIPPED_S = 0.06
"""Start of a note that is left out, in seconds: the attack."""
HOP_S = 0.02
"""Time between the frames that are looked at, in seconds."""
LEAST_HEARD = 0.25
"""Share of the notes that have to be heard for a portrait to count."""


def portraits(font: Path = soundfont.FLUID) -> list[Portrait]:
    """Return a portrait of every program that plays tones, in the order of the classes.

    Raises:
        ConfigError: FluidSynth or its sounds are missing.
    """
    found = []
    for instrument in INSTRUMENTS:
        parts = [_part(instrument, program) for program in instrument.programs]
        waves = soundfont.play(parts, font) if parts else ()
        for part, wave in zip(parts, waves, strict=True):
            tracks = played(part.notes)
            identity = learn(wave[:, None], SAMPLE_RATE_HZ, tracks)
            if identity.total_s > LEAST_HEARD * len(part.notes) * (SOUNDS_S - SKIPPED_S):
                found.append(Portrait(instrument.name, int(part.program or 0), identity))
    return found


def scale(instrument: Instrument) -> list[PlayedNote]:
    """Return the notes that an instrument is portrayed by, within the length of a piece."""
    n_most = int(PIECE_S / NOTE_S) // len(VELOCITIES)
    step = max(2, math.ceil((instrument.highest_midi - instrument.lowest_midi + 1) / n_most))
    pitches = range(instrument.lowest_midi, instrument.highest_midi + 1, step)
    asked = [(midi, velocity) for midi in pitches for velocity in VELOCITIES]
    return [
        PlayedNote(onset_s=k * NOTE_S, offset_s=k * NOTE_S + SOUNDS_S, midi=midi, velocity=velocity)
        for k, (midi, velocity) in enumerate(asked)
    ]


def played(notes: Iterable[PlayedNote]) -> PitchTracks:
    """Return the notes as tracks of one instrument, without their attacks."""
    times_s = np.arange(0, PIECE_S, HOP_S)
    f0_hz, on = np.full(len(times_s), 440.0), np.zeros(len(times_s), bool)
    for note in notes:
        here = (times_s >= note.onset_s + SKIPPED_S) & (times_s < note.offset_s)
        f0_hz[here], on[here] = frequency_hz(note.midi), True
    return PitchTracks(times_s=times_s, f0_hz=f0_hz[None], amplitude=on[None] * 1.0, on=on[None])


def _part(instrument: Instrument, program: int) -> MidiPart:
    """Return the score of a program's portrait."""
    return MidiPart(notes=scale(instrument), program=program)
