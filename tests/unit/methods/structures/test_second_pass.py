import numpy as np
import pytest

from musisep_cli.methods.structures.first_pass import Candidates, FirstPassConfig
from musisep_cli.methods.structures.pitch_likelihood import LikelihoodConfig, weights
from musisep_cli.methods.structures.second_pass import second_pass, smoothed
from tests.unit.methods.structures.made import instruments_like, make_frame, peaks_at

FRAME, CONFIG, LIKELIHOOD = make_frame(), FirstPassConfig(), LikelihoodConfig()
BRIGHT, DARK = (1.0, 0.8, 0.8, 0.6, 0.6, 0.4), (1.0, 0.1, 0.05, 0.02, 0.01, 0.005)
KNOWN = instruments_like(BRIGHT, DARK)


def frame_of(*tones: tuple[float, tuple[float, ...]]) -> tuple[list[float], list[float]]:
    places = [f0 * h for f0, row in tones for h in range(1, len(row) + 1)]
    return places, [20 * np.log10(a) for _, row in tones for a in row]


def played(*frames: tuple[list[float], list[float]], count: list[int]) -> np.ndarray:
    peaks = peaks_at([places for places, _ in frames], [levels for _, levels in frames])
    weight = weights(peaks, 50.0, LIKELIHOOD)
    tried = Candidates.of(peaks, FRAME, CONFIG, LIKELIHOOD)
    each = tried.one_per_peak(weight, CONFIG.moves.size)
    return second_pass(each, peaks, weight, np.array(count), KNOWN, CONFIG)


@pytest.mark.parametrize(("bright_bins", "dark_bins"), [(100.0, 67.0), (67.0, 100.0)])
def test_every_instrument_gets_the_tone_of_its_structure(
    bright_bins: float, dark_bins: float
) -> None:
    found = played(frame_of((bright_bins, BRIGHT), (dark_bins, DARK)), count=[2])
    np.testing.assert_allclose(found, [[bright_bins, dark_bins]], rtol=1e-3)


def test_of_one_tone_the_other_instrument_rests() -> None:
    found = played(frame_of((80.0, BRIGHT)), frame_of((80.0, DARK)), count=[1, 1])
    np.testing.assert_allclose(found, [[80, 0], [0, 80]], rtol=1e-3)


def test_nobody_plays_in_silence() -> None:
    assert played(frame_of((80.0, BRIGHT)), ([], []), count=[1, 0])[1].tolist() == [0, 0]


def test_two_never_claim_one_pitch() -> None:
    (low, high) = played(frame_of((80.0, BRIGHT)), count=[2])[0]
    assert abs(12 * np.log2(high / low)) >= CONFIG.reach_semitones


def test_short_slips_and_gaps_are_passed_over() -> None:
    track = np.full((80, 1), 100.0)
    track[20:26] = 200.0
    track[50:54] = 0.0
    assert set(smoothed(track, 0.0107).ravel()) == {100.0}


def test_notes_as_long_as_the_filter_stay() -> None:
    track = np.concatenate([np.full((40, 1), 100.0), np.full((40, 1), 150.0), np.zeros((40, 1))])
    np.testing.assert_array_equal(smoothed(track, 0.0107), track)
