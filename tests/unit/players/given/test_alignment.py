"""Alignment: what was done to the notes is found, and notes that fit stay as they are."""

import numpy as np
import pytest

from musisep_cli.players.given.alignment import Alignment, aligned
from musisep_cli.players.given.salience import salience
from musisep_cli.sound.score.part import Part, Values
from tests.unit.players.given.made import LENGTH_S, parts, spectra


def found(given: list[Part], **how: bool) -> Alignment:
    return aligned(given, *salience(spectra()), (), **how)


def errors_s(alignment: Alignment) -> Values:
    pairs = zip(alignment.parts, parts(), strict=True)
    return np.concatenate(
        [
            [a.onset_s - b.onset_s for a, b in zip(part.notes, true.notes, strict=True)]
            for part, true in pairs
        ]
    )


def test_notes_that_fit_stay_as_they_are() -> None:
    alignment = found(parts())
    assert alignment.words() == []
    assert not errors_s(alignment).any()
    assert alignment.gain == pytest.approx(1.0)


def test_a_shift_and_a_tuning_are_found() -> None:
    given = [part.moved(lambda t: t + 1.3).transposed(-1.0) for part in parts()]
    alignment = found(given)
    assert alignment.shift_s == pytest.approx(-1.3, abs=0.05)
    assert alignment.mistuning_cents == pytest.approx(100, abs=10)
    assert np.abs(errors_s(alignment)).max() < 0.05
    words = " ".join(alignment.words())
    assert "1.3" in words
    assert "earlier" in words
    assert "tuned to A = 46" in words


def test_a_drifting_tempo_is_followed() -> None:
    given = [part.moved(lambda t: 1.25 * t + 0.1 * np.sin(t) + 0.4) for part in parts()]
    alignment = found(given)
    assert alignment.drift_s > 0.2
    assert np.median(np.abs(errors_s(alignment))) < 0.1
    assert "warped" in alignment.words()[0]


def test_a_part_of_a_recording_is_found_in_a_whole_score() -> None:
    # The recording is the score's second half, played faster than it is written.
    given = []
    for part in parts():
        late = part.moved(lambda t: 1.2 * t + LENGTH_S)
        given.append(late.with_notes([*part.transposed(3).notes, *late.notes]))
    alignment = found(given, is_whole=False)
    moved = [part.notes[len(part.notes) // 2].onset_s for part in alignment.parts]
    assert np.abs(moved).max() < 0.25


@pytest.mark.parametrize("octaves", [-1, 1])
def test_an_octave_is_found_for_each_part(octaves: int) -> None:
    first, second = parts()
    alignment = found([first, second.transposed(12 * octaves)])
    assert alignment.octaves == {"clarinet": -octaves}
    assert [part.notes[0].middle_semitones for part in alignment.parts] == [
        part.notes[0].middle_semitones for part in (first, second)
    ]
    assert "clarinet was moved 1 octave" in alignment.words()[0]


def test_a_shift_that_is_likely_beforehand_is_tried_too() -> None:
    given = [part.moved(lambda t: t - 30.0) for part in parts()]  # far beyond what is looked for
    alignment = aligned(given, *salience(spectra()), (30.0,))
    assert alignment.shift_s == 30.0
    assert np.abs(errors_s(alignment)).max() < 1e-9


def test_notes_of_something_else_are_left_alone() -> None:
    given = [part.with_notes(part.notes[::2]) for part in parts()]
    assert not found(given).octaves
