"""Tones of known notes: set to where they sound, hidden ones held, and timbres learned."""

import numpy as np
import pytest
import torch

from musisep_cli.frames.spectra import Spectra
from musisep_cli.players.given.explained import Explained
from musisep_cli.players.given.tones import KnownTones, followed, set_tones
from musisep_cli.sound.score.part import KnownNote, Values
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import pitch_semitones
from tests.signals import CLARINET, FLUTE, Signal, harmonic_tone, time_axis_s
from tests.unit.players.given.made import RATE_HZ, spectra_of

LENGTH_S = 1.2


def times_s(spectra: Spectra) -> Values:
    values: Values = spectra.centres.numpy() / RATE_HZ
    return values


def tone(f0_hz: float, amplitudes: tuple[float, ...]) -> Signal:
    return 0.2 * harmonic_tone(
        f0_hz, amplitudes=amplitudes, duration_s=LENGTH_S, sample_rate_hz=RATE_HZ
    )


def known(spectra: Spectra, *semitones: float) -> KnownTones:
    voices = [[[KnownNote.steady(0, LENGTH_S, pitch)]] for pitch in semitones]
    return KnownTones.of(voices, [False] * len(voices), times_s(spectra))


def explained(spectra: Spectra, n_harmonics: int) -> Explained:
    return Explained.of(spectra, n_harmonics, ObjectiveConfig())


@pytest.mark.parametrize("off", [-0.5, -0.25, 0.0, 0.25, 0.5])
def test_notes_are_set_to_where_they_sound(off: float) -> None:
    spectra = spectra_of(tone(330.0, FLUTE) + tone(220.0, CLARINET))
    notes = known(spectra, 64.02 + off, 57.0 - off)
    found = set_tones(notes, explained(spectra, 9), 2)
    semitones = pitch_semitones(found.tones.f0_bins, spectra.frame)[20:-20]
    expected = torch.tensor([64.02, 57.0]).expand_as(semitones)
    torch.testing.assert_close(semitones, expected, atol=0.03, rtol=0)


def test_a_vibrato_is_followed() -> None:
    t = time_axis_s(LENGTH_S, RATE_HZ)
    semitones = 69 + 0.4 * np.sin(2 * np.pi * 5 * t)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((semitones - 69) / 12)) / RATE_HZ
    samples = sum(0.1 / h * np.cos(h * phase) for h in range(1, 6))
    spectra = spectra_of(samples)
    found = set_tones(known(spectra, 69.0), explained(spectra, 5), 1)
    heard = pitch_semitones(found.tones.f0_bins, spectra.frame)[:, 0].numpy()
    true = np.interp(times_s(spectra), t, semitones)
    assert np.abs(heard - true)[10:-10].mean() < 0.06


def test_a_note_that_others_hide_goes_straight_on() -> None:
    # A twelfth above the other, every harmonic of the higher one lies near one of the lower.
    lower, higher = tone(196.0, CLARINET), 0.3 * tone(3 * 196.0 * 2 ** (8 / 1200), FLUTE)
    spectra = spectra_of(lower + higher)
    found = set_tones(known(spectra, 55.0, 74.02), explained(spectra, 9), 2)
    semitones = pitch_semitones(found.tones.f0_bins, spectra.frame)[20:-20]
    assert float((semitones[:, 0] - 55.0).abs().max()) < 0.06
    assert float((semitones[:, 1] - 74.1).abs().max()) < 0.25


def test_two_in_unison_are_each_at_their_own_pitch() -> None:
    # 20 cents apart: first harmonics that meet, ninth ones five bins from each other.
    spectra = spectra_of(tone(330.0, CLARINET) + tone(330.0 * 2 ** (20 / 1200), CLARINET))
    found = set_tones(known(spectra, 64.0, 64.2), explained(spectra, 9), 2)
    semitones = pitch_semitones(found.tones.f0_bins, spectra.frame)[20:-20].median(0).values
    torch.testing.assert_close(semitones, torch.tensor([64.02, 64.22]), atol=0.03, rtol=0)


def test_strings_are_in_tune_with_their_own_inharmonicity() -> None:
    b, amplitudes = 4e-4, tuple(0.1 / h for h in range(1, 11))
    string = harmonic_tone(
        220.0, amplitudes=amplitudes, duration_s=LENGTH_S, sample_rate_hz=RATE_HZ, inharmonicity=b
    )
    spectra = spectra_of(string)
    notes = known(spectra, 57.0)
    exact = explained(spectra, 10)
    sharp_cents = float(np.median(followed(notes, exact)))
    strung = notes.with_strings(exact, followed(notes, exact))
    assert strung.strings is not None
    assert float(strung.strings.table.max()) == pytest.approx(b, rel=0.5)
    assert abs(float(np.median(followed(strung, exact)))) < sharp_cents


def test_timbres_are_those_of_the_instruments() -> None:
    spectra = spectra_of(tone(330.0, FLUTE) + tone(207.0, CLARINET))
    found = set_tones(known(spectra, 64.02, 55.95), explained(spectra, 6), 2)
    for timbre, amplitudes in zip(found.timbres, (FLUTE, CLARINET), strict=True):
        lifted = np.sqrt(np.pad(amplitudes, (0, 6))[:6])
        cosine = timbre.numpy() @ lifted / np.linalg.norm(lifted)
        assert cosine > 0.99


def test_voices_follow_the_instruments() -> None:
    chord = [[KnownNote.steady(0, 1, 60)], [KnownNote.steady(0.5, 1, 64)]]
    melody = [[KnownNote.steady(0, 0.5, 72)]]
    notes = KnownTones.of([chord, melody], [False, True], np.arange(0, 1, 0.25))
    assert notes.on.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [True, False, True, False],
        [True, False, True, False],
    ]
    assert notes.semitones[2].tolist() == [60, 60, 64, 60]
    assert notes.reach_cents[0] == notes.reach_cents[2] > notes.reach_cents[1]


def test_tones_above_all_bins_are_off() -> None:
    spectra = spectra_of(tone(330.0, FLUTE))
    found = set_tones(known(spectra, 108.0), explained(spectra, 5), 1)  # 4186 Hz at 8 kHz
    assert not bool((found.tones.on > 0).any())
