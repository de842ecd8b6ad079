"""Pitch measures on tracks whose scores can be counted by hand."""

import numpy as np
from numpy.testing import assert_allclose

from musisep_cli.evaluation.metrics import PitchTrack, melody_scores, multipitch_scores


def track(*f0_hz: float | tuple[float, ...], step_s: float = 0.01) -> PitchTrack:
    columns = np.array(f0_hz, dtype=float).reshape(len(f0_hz), -1)
    return PitchTrack(np.arange(len(f0_hz)) * step_s, columns)


def test_melody_scores_are_counts_of_frames() -> None:
    reference = track(440, 440, 440, 440, 0, 0, 0, 0)
    # Right; an octave off; right pitch but judged silent; nothing; then one false alarm of four.
    estimate = track(442, 880, -440, 0, 300, 0, 0, 0)
    scores = melody_scores(reference=reference, estimate=estimate)
    assert scores is not None
    assert_allclose(scores.raw_pitch_accuracy, 2 / 4)
    assert_allclose(scores.raw_chroma_accuracy, 3 / 4)
    assert_allclose(scores.voicing_recall, 2 / 4)
    assert_allclose(scores.voicing_false_alarm, 1 / 4)
    assert_allclose(scores.overall_accuracy, 4 / 8)


def test_an_estimate_on_another_grid_is_read_at_the_nearest_frame() -> None:
    reference = track(*[440.0] * 20, *[330.0] * 20, step_s=0.01)
    # The frames beside the change are at 0.175 and 0.2 s: the reference's frame at 0.19 s gets
    # the later one's pitch, a frame too early.
    estimate = track(*[440.0] * 8, *[330.0] * 8, step_s=0.025)
    scores = melody_scores(reference=reference, estimate=estimate)
    assert scores is not None
    assert_allclose(scores.raw_pitch_accuracy, 39 / 40)


def test_a_reference_that_never_sounds_is_not_scored() -> None:
    silence = track(0, 0, 0)
    assert melody_scores(reference=silence, estimate=track(440, 440, 440)) is None
    assert multipitch_scores(references=[silence], estimates=[track(440, 440, 440)]) is None


def test_multipitch_counts_all_instruments_and_voices() -> None:
    references = [track((440, 550), (440, 550)), track(220, 220)]  # six pitches
    estimates = [track(440, 440), track(220, -220), track(9000, 100)]  # four sound in range
    scores = multipitch_scores(references=references, estimates=estimates)
    assert scores is not None
    assert_allclose(scores.recall, 3 / 6)
    assert_allclose(scores.precision, 3 / 4)
    assert_allclose(scores.accuracy, 3 / 7)


def test_the_melody_of_a_chord_is_its_highest_note() -> None:
    assert track((440, 550), (-440, 0)).melody().tolist() == [550, -440]
