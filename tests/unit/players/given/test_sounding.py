"""Sounding: the frames decide, near its written beginning and end, where a note sounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.players.given.explained import Explained
from musisep_cli.players.given.sounding import (
    EARLY_S,
    LEAST,
    LIKELY_S,
    LONGEST_TAIL_S,
    REACH_S,
    WEIGHT_MISFIT,
    Line,
    where_they_sound,
)
from musisep_cli.players.given.tones import KnownTones
from musisep_cli.sound.score.part import KnownNote
from musisep_cli.tones.objective import ObjectiveConfig
from tests.signals import CLARINET, Signal, harmonic_tone
from tests.unit.players.given.made import RATE_HZ, spectra_of


def tone_from(onset_s: float, offset_s: float, f0_hz: float = 262.0) -> Signal:
    samples = np.zeros(round(1.6 * RATE_HZ))
    tone = harmonic_tone(
        f0_hz, amplitudes=CLARINET, duration_s=offset_s - onset_s, sample_rate_hz=RATE_HZ
    )
    samples[round(onset_s * RATE_HZ) :][: len(tone)] = tone
    return samples + 1e-3 * np.random.default_rng(0).standard_normal(len(samples))


def sounding(samples: Signal, *voices: list[KnownNote]) -> list[list[tuple[float, float]]]:
    """When every note of some voices sounds: onset and end in s."""
    explained = Explained.of(spectra_of(samples), 9, ObjectiveConfig())
    known = KnownTones.of([[voice] for voice in voices], [False] * len(voices), explained.times_s)
    found = where_they_sound(known, voices, explained)
    return [
        [
            tuple(explained.times_s[found.notes[:, k] == number][[0, -1]].tolist())
            for number in range(len(voice))
        ]
        for k, voice in enumerate(voices)
    ]


@pytest.mark.parametrize("late_s", [-0.18, -0.1, 0.0, 0.1, 0.18])
def test_a_late_or_early_note_is_moved_to_its_sound(late_s: float) -> None:
    (((onset_s, offset_s),),) = sounding(
        tone_from(0.5, 1.2), [KnownNote.steady(0.5 + late_s, 1.2 + late_s, 60.3)]
    )
    # A window reaches 0.06 s, and what is written draws a little where nothing sounds at all.
    assert 0.37 < onset_s < 0.51
    assert offset_s == pytest.approx(1.2, abs=0.06)


def test_the_next_note_begins_where_the_one_before_ends() -> None:
    lower, higher = tone_from(0.2, 0.9), tone_from(0.9, 1.5, 262.0 * 2 ** (4 / 12))
    for late_s in (-0.1, 0.0, 0.1):
        ((first, second),) = sounding(
            lower + higher,
            [KnownNote.steady(0.2, 0.9 + late_s, 60.0), KnownNote.steady(0.9 + late_s, 1.5, 64.0)],
        )
        assert second[0] == pytest.approx(0.9, abs=0.03)
        assert 0 < second[0] - first[1] < 0.05


def test_a_note_without_a_rise_keeps_its_onset() -> None:
    tied = [KnownNote.steady(0.1, 0.8, 60.03), KnownNote.steady(0.8, 1.5, 60.03)]
    ((_, second),) = sounding(tone_from(0.1, 1.5), tied)
    assert second[0] == pytest.approx(0.8, abs=0.02)


def test_a_note_sounds_on_until_its_sound_ends() -> None:
    (((_, offset_s),),) = sounding(tone_from(0.3, 1.2), [KnownNote.steady(0.3, 0.9, 60.03)])
    assert offset_s == pytest.approx(1.2, abs=0.06)


def test_what_another_voice_plays_is_not_taken_for_a_note() -> None:
    # The second voice plays the pitch of the first, right where that has ended already.
    melody = tone_from(0.2, 0.8) + tone_from(0.8, 1.4, 330.0)
    (_, (other,)) = sounding(
        melody,
        [KnownNote.steady(0.2, 0.8, 60.0), KnownNote.steady(0.8, 1.4, 64.0)],
        [KnownNote.steady(0.9, 1.4, 64.0)],
    )
    assert other[0] > 0.7


def test_of_a_silent_recording_notes_stay_short_and_nothing_fails() -> None:
    ((note,),) = sounding(1e-3 * np.ones(RATE_HZ), [KnownNote.steady(0.2, 0.8, 60.0)])
    assert note[0] <= note[1]


@given(
    st.lists(st.tuples(st.floats(0.01, 0.6), st.floats(0.0, 0.3)), min_size=1, max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_notes_sound_in_their_order_near_where_they_are_written(
    drawn: list[tuple[float, float]], seed: int
) -> None:
    # Whatever the frames say: note follows note, each once, none far from where it is written.
    end_s, notes = 0.0, []
    for length_s, rest_s in drawn:
        notes.append(KnownNote.steady(end_s + rest_s, end_s + rest_s + length_s, 60))
        end_s = notes[-1].offset_s
    times_s = np.arange(0, end_s + 1, 0.0107)
    voice = Line.of(notes, times_s)
    path = voice.path(np.random.default_rng(seed).uniform(0, 1, voice.names.shape))
    assert (np.diff(path) >= 0).all()
    for number in np.unique(path[path % 2 == 1] // 2):
        heard_s = times_s[path == 2 * number + 1]
        assert heard_s[0] >= notes[number].onset_s - REACH_S
        assert heard_s[-1] <= notes[number].offset_s + LONGEST_TAIL_S


def test_the_path_is_the_cheapest_of_all() -> None:
    notes = [KnownNote.steady(0.1, 0.25, 60), KnownNote.steady(0.3, 0.4, 62)]
    times_s = np.arange(0, 0.5, 0.05)
    voice = Line.of(notes, times_s)
    misfits = np.random.default_rng(0).uniform(0, 0.3, voice.names.shape)
    path = voice.path(misfits)

    n = len(times_s)

    def states(begins: tuple[int, int], ends: tuple[int, int]) -> list[int]:
        """The states of all frames, if notes begin and end with these."""
        return [
            2 * sum(k >= end for end in ends)
            + any(begin <= k < end for begin, end in zip(begins, ends, strict=True))
            for k in range(n)
        ]

    def cost(begins: tuple[int, int], ends: tuple[int, int]) -> float:
        total = 0.0
        for k, state in enumerate(states(begins, ends)):
            place = np.flatnonzero(voice.names[k] == state)
            if not len(place) or state > voice.last[k]:
                return np.inf
            total += WEIGHT_MISFIT * misfits[k, place[0]] + LEAST * (state % 2)
        for note, begin, end, follows in zip(notes, begins, ends, (begins[1], n), strict=True):
            if begin < n:
                total += 0.5 * ((times_s[begin] - note.onset_s) / LIKELY_S) ** 2
            if end < min(n, follows):  # a rest comes after
                total += 0.5 * (max(note.offset_s - times_s[end - 1], 0) / EARLY_S) ** 2
        return total

    tried = [
        ((a, c), (b, d))
        for a in range(n)
        for b in range(a + 1, n + 1)
        for c in range(b, n + 1)  # at n: the recording ends before the note begins
        for d in range(min(c + 1, n), n + 1)
    ]
    assert path.tolist() == states(*min(tried, key=lambda each: cost(*each)))
