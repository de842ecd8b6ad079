"""Tracks: on other grids, and where they tell voices apart."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli.errors import InputError
from musisep_cli.methods.source_filter.tracks import VoiceTracks, read_tracks, stretches_of
from musisep_cli.tones.tracks import PitchTracks

TIMES_S = np.arange(6) * 0.01


def tracks(*rows: list[float], n_instruments: int | None = None) -> VoiceTracks:
    return VoiceTracks(TIMES_S, np.array(rows, float), n_instruments or len(rows))


def test_between_frames_pitch_is_linear_in_its_logarithm_and_rests_are_the_nearest_frame_s() -> (
    None
):
    track = tracks([100.0, 400.0, 0.0, 0.0, 0.0, 300.0])
    found = track.at(np.array([0.005, 0.014, 0.016, 0.044, 0.046, 0.2]))[0]
    np.testing.assert_allclose(found, [200, 400, 0, 0, 300, 300], rtol=1e-6)


def test_pitch_never_glides_from_nothing_into_a_note() -> None:
    track = tracks([0.0, 0.0, 500.0, 500.0, 0.0, 200.0])
    found = track.at(np.linspace(0, 0.05, 101))[0]
    assert set(np.unique(found.round(3)).tolist()) == {0.0, 200.0, 500.0}


def test_a_voice_that_never_sounds_and_a_single_frame_are_tracks_too() -> None:
    assert tracks([0.0] * 6).at(TIMES_S).tolist() == [[0.0] * 6]
    single = VoiceTracks(np.array([0.0]), np.array([[200.0]]), 1)
    np.testing.assert_allclose(single.at(np.array([0.0, 1.0])), [[200, 200]], rtol=1e-6)


@pytest.mark.parametrize(
    ("ratio", "is_merged"),
    [(1.0, True), (2.0, True), (3.0, True), (1.5, False), (2 ** (0.3 / 12), False), (4.0, False)],
)
def test_unisons_octaves_and_twelfths_are_merged(ratio: float, is_merged: bool) -> None:
    for detuned in (1.0, 2 ** (0.15 / 12)):
        found = tracks([200.0] * 6, [200.0 * ratio * detuned] * 6)
        if ratio != 2 ** (0.3 / 12):
            assert found.merged().all() == is_merged
            assert found.merged_share() == float(is_merged)


def test_rests_and_voices_of_one_instrument_are_not_merged() -> None:
    found = tracks([200.0, 200, 200, 0, 0, 0], [200.0, 200, 0, 0, 200, 200])
    assert found.merged().tolist() == [True, True, False, False, False, False]
    assert found.merged_share() == 2 / 5
    chord = tracks([200.0] * 6, [400.0] * 6, n_instruments=1)
    assert chord.merged_share() == 0


def test_marked_stretches_have_begin_and_end() -> None:
    flags = np.array([True, True, False, False, True, True])
    assert list(stretches_of(flags, TIMES_S)) == [(0.0, 0.01), (0.04, 0.05)]
    assert list(stretches_of(~(flags | True), TIMES_S)) == []


def test_a_state_gives_the_tracks_back() -> None:
    there = tracks([200.0] * 6, [0.0] * 6)
    back = VoiceTracks.from_state(there.state)
    np.testing.assert_array_equal(back.f0_hz, there.f0_hz)
    np.testing.assert_array_equal(back.times_s, there.times_s)
    assert back.n_instruments == 2


def test_found_tracks_are_silent_where_they_are_off() -> None:
    found = PitchTracks(
        times_s=TIMES_S,
        f0_hz=np.full((1, 6), 200.0),
        amplitude=np.ones((1, 6)),
        on=np.array([[True, False, True, True, True, True]]),
    )
    assert VoiceTracks.of(found).f0_hz.tolist() == [[200.0, 0.0, 200.0, 200.0, 200.0, 200.0]]


def test_the_tracks_of_a_run_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pitch.csv"
    path.write_text(
        "instrument,time_s,f0_hz,amplitude,on\n"
        "1,0.0,200,0.1,1\n1,0.1,210,0.1,0\n2,0.0,400,0.1,1\n2,0.1,300,0.1,1\n"
    )
    found = read_tracks(path)
    assert found.f0_hz.tolist() == [[200.0, 0.0], [400.0, 300.0]]
    assert found.merged().tolist() == [True, False]
    with pytest.raises(InputError, match="cannot be read"):
        read_tracks(tmp_path / "none.csv")
