"""Identity: what an instrument is like, learned from a solo or a stem."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.tones.identity import (
    MOST_FRAMES,
    N_HARMONICS,
    from_json,
    learn,
    learn_solo,
    load,
    to_json,
)
from musisep_cli.tones.timbre import LOWEST_SEMITONE
from musisep_cli.tones.tracks import PitchTracks
from tests.signals import harmonic_tone

RATE_HZ = 16_000
AMPLITUDES = (1.0, 0.5, 0.25, 0.1)
A3 = 57 - LOWEST_SEMITONE
"""Row of 220 Hz."""


def tone(f0_hz: float) -> np.ndarray:
    return harmonic_tone(f0_hz, amplitudes=AMPLITUDES, duration_s=1.0, sample_rate_hz=RATE_HZ)


def solo(gain: float = 1.0) -> np.ndarray:
    return gain * tone(220.0)


def played(f0_hz: float, n_frames: int = 50, hop_s: float = 0.02) -> PitchTracks:
    on = np.ones((1, n_frames), bool)
    times_s = hop_s * np.arange(n_frames)
    return PitchTracks(times_s=times_s, f0_hz=np.full((1, n_frames), f0_hz), amplitude=on, on=on)


def test_levels_are_those_of_the_harmonics_relative_to_the_tone() -> None:
    found = learn_solo(solo(), RATE_HZ)
    energy = np.square(AMPLITUDES)
    expected_db = 10 * np.log10(energy / energy.sum())
    assert_allclose(found.level_db[A3, :4], expected_db, atol=0.3)
    assert (found.level_db[A3, 4:] < -40).all()
    assert (found.spread_db[A3, :4] < 1).all()


def test_it_is_the_same_at_another_level() -> None:
    loud, soft = learn_solo(solo(), RATE_HZ), learn_solo(solo(0.01), RATE_HZ)
    assert_allclose(soft.level_db, loud.level_db, atol=0.01)


def test_it_knows_what_pitches_were_heard_for_how_long() -> None:
    found = learn_solo(solo(), RATE_HZ)
    assert_array_equal(np.flatnonzero(found.heard_s), [A3])
    assert found.total_s == pytest.approx(1.0, abs=0.15)
    assert found.register_semitones == (57.0, 0.0)


def test_harmonics_of_a_stiff_string_are_found_though_they_are_sharp() -> None:
    h = np.arange(1, 9)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    places_hz = 220.0 * h * np.sqrt(1 + 5e-4 * h**2)
    string = np.sin(2 * np.pi * places_hz[:, None] * time_s).sum(0)
    found = learn(string[:, None], RATE_HZ, played(220.0))
    assert np.ptp(found.level_db[A3, :8]) < 1


def test_harmonics_above_the_band_are_left_out() -> None:
    found = learn_solo(tone(1760.0), RATE_HZ)
    row = 93 - LOWEST_SEMITONE
    assert found.reach[row] == 4
    assert not found.valid[row, 4:].any()


def test_a_long_sound_counts_with_its_whole_length_though_few_frames_are_looked_at() -> None:
    tracks = played(220.0, n_frames=3 * MOST_FRAMES, hop_s=1e-4)
    found = learn(solo()[:, None], RATE_HZ, tracks)
    assert found.total_s == pytest.approx(3e-4 * MOST_FRAMES, rel=0.1)


def test_silence_has_an_identity_without_pitches() -> None:
    found = learn_solo(np.zeros(RATE_HZ), RATE_HZ)
    assert (found.total_s, found.register_semitones) == (0.0, (0.0, 0.0))
    assert to_json(found)["pitches"] == []


def test_a_file_holds_it_to_a_tenth_of_a_decibel(tmp_path: Path) -> None:
    found = learn_solo(solo(), RATE_HZ)
    path = tmp_path / "violin.json"
    path.write_text(json.dumps(to_json(found)), "utf-8")
    again = load(path)
    assert_allclose(again.level_db, found.level_db * found.valid, atol=0.051)
    assert_allclose(again.heard_s, found.heard_s, atol=1e-3)
    assert again.origin == str(path)
    assert to_json(again)["pitches"] == to_json(found)["pitches"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "this is no identity"),
        ({"pitches": [{"midi": 60}]}, "damaged"),
        ({"pitches": 5}, "damaged"),
        ({"pitches": [{"midi": 500, "heard_s": 1, "level_db": [0], "spread_db": [0]}]}, "bounds"),
        (
            {"pitches": [{"midi": 60, "heard_s": 1, "level_db": [float("nan")], "spread_db": [0]}]},
            "bounds",
        ),
        ({"pitches": [{"midi": 60, "heard_s": -1, "level_db": [0], "spread_db": [0]}]}, "bounds"),
        (
            {
                "pitches": [
                    {
                        "midi": 60,
                        "heard_s": 1,
                        "level_db": [0] * (N_HARMONICS + 1),
                        "spread_db": [0] * (N_HARMONICS + 1),
                    }
                ]
            },
            "bounds",
        ),
    ],
)
def test_a_damaged_identity_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_json({**to_json(learn_solo(solo(), RATE_HZ)), **change})


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a\.json: cannot be read"):
        load(path)
    path.write_text("{", "utf-8")
    with pytest.raises(InputError, match=r"a\.json: not a valid JSON file"):
        load(path)
    path.write_text("[]", "utf-8")
    with pytest.raises(InputError, match=r"a\.json: this is no identity"):
        load(path)
