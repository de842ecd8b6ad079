"""Portraits: what the instruments of the table are learned from."""

from typing import Any

import numpy as np
import pytest

from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.instruments import INSTRUMENTS
from musisep_cli.methods.identity.training import portraits, soundfont
from musisep_cli.methods.identity.training.phrases import PIECE_S
from musisep_cli.methods.identity.training.portraits import played, scale
from musisep_cli.sound.pitch import frequency_hz
from musisep_cli.tones.timbre import LOWEST_SEMITONE
from tests.signals import pure_tone


@pytest.mark.parametrize("instrument", INSTRUMENTS[:-1], ids=lambda each: each.name)
def test_a_scale_spans_the_range_within_a_piece(instrument: Any) -> None:
    notes = scale(instrument)
    pitches = sorted({note.midi for note in notes})
    assert pitches[0] == instrument.lowest_midi
    assert instrument.highest_midi - pitches[-1] < pitches[1] - pitches[0] <= 4
    assert notes[-1].offset_s < PIECE_S
    assert len({note.velocity for note in notes}) == 2


def test_tracks_hold_the_notes_without_their_attacks() -> None:
    notes = scale(INSTRUMENTS[0])
    tracks = played(notes)
    at = np.searchsorted(tracks.times_s, notes[3].onset_s + 0.2)
    assert tracks.f0_hz[0, at] == frequency_hz(notes[3].midi)
    assert tracks.on[0, at]
    assert not tracks.on[0, np.searchsorted(tracks.times_s, notes[3].onset_s + 0.01)]


def test_every_program_that_sounds_has_a_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    def sines(parts: Any, font: Any) -> list[np.ndarray]:
        return [sine(part) for part in parts]

    def sine(part: Any) -> np.ndarray:
        wave = np.zeros(round(PIECE_S * SAMPLE_RATE_HZ), np.float32)
        for note in part.notes if part.program else ():
            start = round(note.onset_s * SAMPLE_RATE_HZ)
            tone = pure_tone(
                frequency_hz(note.midi),
                duration_s=note.offset_s - note.onset_s,
                sample_rate_hz=SAMPLE_RATE_HZ,
            )
            wave[start : start + len(tone)] = tone
        return wave

    monkeypatch.setattr(soundfont, "play", sines)
    monkeypatch.setattr(portraits, "INSTRUMENTS", (INSTRUMENTS[0], INSTRUMENTS[-1]))
    found = portraits.portraits()
    assert [(each.name, each.program) for each in found] == [("piano", k) for k in (1, 2, 3)]
    row = INSTRUMENTS[0].lowest_midi - LOWEST_SEMITONE
    assert found[0].identity.heard_s[row] > 0.3
    assert found[0].identity.level_db[row].argmax() == 0
