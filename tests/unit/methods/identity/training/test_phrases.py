"""Phrases: what is played stays within the instrument, the piece and the key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.identity.training.phrases import (
    NEXT_DEGREES,
    PIECE_S,
    WAYS,
    harmony,
    phrase,
)

MELODIC = [way for way in WAYS if way != "drums"]


@given(seed=st.integers(0, 10_000), way=st.sampled_from(MELODIC), lowest=st.integers(28, 70))
def test_notes_keep_to_range_piece_and_scale(seed: int, way: str, lowest: int) -> None:
    rng = np.random.default_rng(seed)
    shared = harmony(rng)
    notes = phrase(shared, way, lowest, lowest + 24, rng)
    assert notes
    assert all(lowest <= note.midi <= lowest + 24 for note in notes)
    assert all(0 <= note.onset_s < note.offset_s <= PIECE_S for note in notes)
    in_scale = [(note.midi - shared.key) % 12 in shared.scale for note in notes]
    # Only a note that was moved to the end of a range may leave the scale.
    assert np.mean(in_scale) > 0.9


@given(seed=st.integers(0, 10_000))
def test_a_harmony_lasts_as_long_as_the_piece_and_moves_by_the_rules(seed: int) -> None:
    shared = harmony(np.random.default_rng(seed))
    assert len(shared.degrees) * 4 * shared.beat_s >= PIECE_S
    for before, after in zip(shared.degrees, shared.degrees[1:], strict=False):
        assert after in NEXT_DEGREES[before]


@pytest.mark.parametrize(("way", "together"), [("melody", 1), ("bass", 1), ("chords", 3)])
def test_only_chords_sound_several_notes_at_once(way: str, together: int) -> None:
    rng = np.random.default_rng(1)
    shared = harmony(rng)
    notes = phrase(shared, way, 48, 84, rng)
    middles_s = [0.75 * note.onset_s + 0.25 * note.offset_s for note in notes]
    sounding = [
        sum(note.onset_s <= middle <= note.offset_s for note in notes) for middle in middles_s
    ]
    assert round(float(np.median(sounding))) in (together, together + 1)


def test_the_same_seed_plays_the_same() -> None:
    first, second = (
        phrase(harmony(np.random.default_rng(4)), "drums", 0, 1, np.random.default_rng(5))
        for _ in range(2)
    )
    assert first == second
