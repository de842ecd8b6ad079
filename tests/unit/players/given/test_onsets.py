"""Onsets: notes begin where their sound does, and voices do not overlap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.players.given.onsets import LEGATO_S, mended, without_overlaps
from musisep_cli.sound.score.part import KnownNote, Part
from tests.signals import CLARINET, harmonic_tone
from tests.unit.players.given.made import RATE_HZ, spectra_of


def tone_from(onset_s: float, offset_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    samples = np.zeros(round(1.6 * RATE_HZ))
    tone = harmonic_tone(
        262.0, amplitudes=CLARINET, duration_s=offset_s - onset_s, sample_rate_hz=RATE_HZ
    )
    samples[round(onset_s * RATE_HZ) :][: len(tone)] = tone
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(samples))
    return samples + noise


@pytest.mark.parametrize("late_s", [-0.18, -0.1, 0.1, 0.18])
def test_a_late_or_early_onset_is_mended(late_s: float) -> None:
    spectra = spectra_of(tone_from(0.5, 1.2))
    ((note,),) = mended([[KnownNote.steady(0.5 + late_s, 1.2, 60.03)]], spectra)
    assert note.onset_s == pytest.approx(0.5, abs=0.03)


def test_an_onset_that_is_right_stays() -> None:
    spectra = spectra_of(tone_from(0.5, 1.2))
    for written in (0.5, 0.485, 0.515):
        ((note,),) = mended([[KnownNote.steady(written, 1.2, 60.03)]], spectra)
        assert note.onset_s == written


def test_a_note_without_a_rise_keeps_its_onset() -> None:
    spectra = spectra_of(tone_from(0.1, 1.5))
    tied = [KnownNote.steady(0.1, 0.8, 60.03), KnownNote.steady(0.8, 1.5, 60.03)]
    ((_, second),) = mended([tied], spectra)
    assert second.onset_s == 0.8


def test_a_note_sounds_on_until_its_sound_ends_or_the_next_begins() -> None:
    spectra = spectra_of(tone_from(0.3, 1.2))
    ((note,),) = mended([[KnownNote.steady(0.3, 1.0, 60.03)]], spectra)
    assert note.offset_s == pytest.approx(1.2, abs=0.05)
    following = KnownNote.steady(1.1, 1.3, 72)
    ((note, _),) = mended([[KnownNote.steady(0.3, 1.0, 60.03), following]], spectra)
    assert note.offset_s <= 1.1


def test_notes_outside_of_the_recording_are_left_out() -> None:
    spectra = spectra_of(tone_from(0.3, 1.2))
    outside = [KnownNote.steady(-2, -1, 60), KnownNote.steady(5, 6, 60)]
    assert mended([outside], spectra) == [[]]


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.05, 2), st.integers(40, 80)), max_size=12),
    st.integers(1, 4),
)
def test_voices_hold_all_notes_or_say_how_many_not(
    drawn: list[tuple[float, float, int]], most: int
) -> None:
    notes = [KnownNote.steady(onset, onset + length, key) for onset, length, key in drawn]
    part = Part(name="a", notes=()).with_notes(notes)
    voices, n_left = without_overlaps(part, most)
    assert len(voices) <= most
    assert sum(map(len, voices)) + n_left == len(notes)
    for voice in voices:
        for before, after in pairwise(voice):
            assert before.offset_s <= after.onset_s
    if len(notes) <= most:
        assert n_left == 0


def test_legato_is_one_voice() -> None:
    notes = tuple(KnownNote.steady(k, k + 1 + 0.9 * LEGATO_S, 60 + k) for k in range(4))
    voices, n_left = without_overlaps(Part(name="a", notes=notes), 3)
    assert (len(voices), n_left) == (1, 0)
