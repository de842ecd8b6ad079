import numpy as np

from musisep_cli.methods.structures.first_pass import PitchSets
from musisep_cli.methods.structures.sets import n_sets, pitch_sets

PLAYED = np.array([[100.0, 40.0], [80.0, 0.0], [0.0, 0.0]])
FIRST = PitchSets(
    np.array([[40.0, 100.0], [80.0, 90.0], [50.0, 60.0]]),
    np.array([[10.0, 25.0], [30.0, 26.0], [0.0, -1.0]]),
    np.array([2, 1, 0]),
)


def sets() -> tuple[np.ndarray, np.ndarray]:
    return pitch_sets(PLAYED, FIRST, octave_nats=10.0, lowest_bins=6.0)


def test_what_the_instruments_play_comes_first() -> None:
    log_prob, pitches = sets()
    assert pitches.shape == (3, n_sets(2), 2)
    np.testing.assert_array_equal(pitches[:, 0], PLAYED)
    np.testing.assert_array_equal(log_prob[:, 0], 0)


def test_the_first_pass_is_as_likely_as_its_criterion_says() -> None:
    log_prob, pitches = sets()
    np.testing.assert_array_equal(pitches[0, 1:3], [[40, 0], [40, 100]])
    np.testing.assert_array_equal(log_prob[:2, 1:3], [[-15, 0], [0, -4]])


def test_each_tone_is_also_tried_an_octave_away() -> None:
    log_prob, pitches = sets()
    np.testing.assert_array_equal(pitches[0, 3:], [[50, 40], [200, 40], [100, 20], [100, 80]])
    np.testing.assert_array_equal(pitches[1, 3:], [[40, 0], [160, 0], [80, 0], [80, 0]])
    np.testing.assert_array_equal(log_prob[:, 3:], -10)


def test_silence_stays_silent() -> None:
    _, pitches = sets()
    np.testing.assert_array_equal(pitches[2], 0)


def test_no_tone_is_moved_below_the_lowest() -> None:
    _, pitches = pitch_sets(np.array([[8.0, 0.0]]), FIRST[:1], octave_nats=1.0, lowest_bins=6.0)
    assert pitches[0, 3, 0] == 6.0
