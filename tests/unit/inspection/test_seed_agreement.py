"""Agreement of seeds: 1 where all say the same, whatever they call their instruments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from musisep_cli.inspection.seed_agreement import agreement_of, seed_agreement
from musisep_cli.inspection.separation import read_separation
from musisep_cli.tones.tracks import PitchTracks
from tests.runs import finished_run


def tracks(midi: np.ndarray) -> PitchTracks:
    """Tracks of pitches ``[i, n]``, NaN for a rest, a frame every 10 ms."""
    on = np.isfinite(midi)
    return PitchTracks(
        times_s=np.arange(midi.shape[1]) / 100,
        f0_hz=np.where(on, 440.0 * 2.0 ** ((np.nan_to_num(midi) - 69) / 12), 0.0),
        amplitude=np.where(on, 0.1, 0.0),
        on=on,
    )


def lines(n_instruments: int, n_frames: int = 300, seed: int = 0) -> np.ndarray:
    """Melodies whose pitches are all different, with rests."""
    rng = np.random.default_rng(seed)
    midi = 40.0 + 2 * np.arange(n_instruments)[:, None] + 12 * rng.integers(0, 4, n_frames)
    return np.where(rng.uniform(size=midi.shape) < 0.2, np.nan, midi)


@given(n_instruments=st.integers(1, 4), seed=st.integers(0, 99), cents=st.floats(-30, 30))
def test_the_same_under_other_numbers_agrees(n_instruments: int, seed: int, cents: float) -> None:
    midi = lines(n_instruments, seed=seed)
    order = np.random.default_rng(seed).permutation(n_instruments)
    found = agreement_of({5: tracks(midi), 7: tracks(midi[order] + cents / 100)})
    assert found is not None
    assert found.share(5) == found.share(7) == 1
    assert found.doubts(5) == found.doubts(7) == []
    assert_array_equal(found.matching[1][order], np.arange(n_instruments))


def test_swapped_instruments_disagree_where_they_are_swapped() -> None:
    midi = np.stack([np.full(600, 60.0), np.full(600, 70.0)])
    swapped = midi.copy()
    swapped[:, 400:] = midi[::-1, 400:]
    found = agreement_of({0: tracks(midi), 1: tracks(swapped), 2: tracks(midi)})
    assert found is not None
    assert_array_equal(found.by_frame[0], np.repeat([1.0, 0.5], [400, 200]))
    assert_array_equal(found.by_frame[1], np.repeat([1.0, 0.0], [400, 200]))
    [(start_s, end_s, share)] = found.doubts(1)
    assert start_s == pytest.approx(4.0, abs=0.5)
    assert end_s == pytest.approx(6.0, abs=0.02)
    assert share < 0.3


def test_a_tone_that_one_seed_lacks_counts_by_its_share() -> None:
    """Two tones against one of them: 2 m / (a + b) = 2 / 3."""
    midi = np.array([[60.0] * 10, [70.0] * 10])
    less = midi.copy()
    less[1] = np.nan
    found = agreement_of({0: tracks(midi), 1: tracks(less)})
    assert found is not None
    assert found.share(0) == pytest.approx(2 / 3)


def test_where_nobody_plays_nothing_is_said() -> None:
    midi = np.array([[60.0, np.nan, 60.0]])
    found = agreement_of({0: tracks(midi), 1: tracks(midi)})
    assert found is not None
    assert np.isnan(found.by_frame[:, 1]).all()
    assert found.share(0) == 1


def test_one_seed_or_no_pitch_or_other_frames_tell_nothing() -> None:
    midi = lines(2)
    silent = tracks(np.full((2, 300), np.nan))
    assert agreement_of({0: tracks(midi)}) is None
    assert agreement_of({0: silent, 1: silent}) is None
    assert agreement_of({0: tracks(midi), 1: tracks(midi[:, :-1])}) is None


def test_a_brush_with_an_onset_is_no_doubt() -> None:
    """Seeds that differ by three frames at an onset mean the same."""
    midi = np.repeat(np.array([[60.0, 64.0]]), 100, axis=1)
    late = midi.copy()
    late[0, 100:103] = 60.0
    found = agreement_of({0: tracks(midi), 1: tracks(late)})
    assert found is not None
    assert found.doubts(0) == []
    assert (found.share(0) or 0) < 1


def test_a_run_is_read_with_its_chosen_seed_first(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    separation = read_separation(run.folder)
    separation = replace(separation, manifest={**separation.manifest, "chosen_seed": 1})
    found = seed_agreement(separation)
    assert found is not None
    assert found.seeds == (1, 0, 2)
    (run.folder / "seeds" / "001" / "pitch.csv").unlink()
    assert seed_agreement(separation) is None
