import numpy as np

from musisep_cli.methods.structures.first_pass import PitchSets
from musisep_cli.methods.structures.sets import pitch_sets

PLAYED = np.array([[100.0, 40.0], [80.0, 0.0], [0.0, 0.0]])
FIRST = PitchSets(
    np.array([[40.0, 100.0], [80.0, 90.0], [50.0, 60.0]]),
    np.array([[10.0, 25.0], [30.0, 26.0], [0.0, -1.0]]),
    np.array([2, 1, 0]),
)


def sets() -> tuple[np.ndarray, np.ndarray]:
    return pitch_sets(PLAYED, FIRST)


def test_what_the_instruments_play_comes_first() -> None:
    log_prob, pitches = sets()
    assert pitches.shape == (3, 3, 2)
    np.testing.assert_array_equal(pitches[:, 0], PLAYED)
    np.testing.assert_array_equal(log_prob[:, 0], 0)


def test_the_first_pass_is_as_likely_as_its_criterion_says() -> None:
    log_prob, pitches = sets()
    np.testing.assert_array_equal(pitches[0, 1:3], [[40, 0], [40, 100]])
    np.testing.assert_array_equal(log_prob[:2, 1:3], [[-15, 0], [0, -4]])


def test_silence_stays_silent() -> None:
    _, pitches = sets()
    np.testing.assert_array_equal(pitches[2], 0)
