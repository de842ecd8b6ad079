"""Pitch of a take: found tracks scored against annotated ones, as the sound pairs them."""

from pathlib import Path

import pytest

from musisep_cli.evaluation.pitch import TakePitch, score_pitch
from musisep_cli.evaluation.signals import Signals
from tests.unit.evaluation.made import noise, signals_of

PAIRS = [(0, 1), (1, 0)]
"""Reference a is stem 2, and b is stem 1."""


def take(folder: Path, notes: str, found: str) -> Signals:
    signals = signals_of(
        folder,
        references={"a": noise(seed=1), "b": noise(seed=2)},
        stems=[noise(seed=3), noise(seed=4)],
    )
    if notes:
        header = "stem,onset_s,offset_s,midi,velocity,detune_cents\n"
        (folder / "refs" / "notes.csv").write_text(header + notes)
    if found:
        header = "instrument,time_s,f0_hz,amplitude,on\n"
        (folder / "stems" / "pitch.csv").write_text(header + found)
    return signals


def track(instrument: int, f0_hz: float, on: int = 1) -> str:
    return "".join(f"{instrument},{n / 100},{f0_hz},0.1,{on}\n" for n in range(100))


BOTH = "a,0,1,69,90,0\nb,0,1,57,90,0\n"


def test_right_pitches_of_the_assigned_stems(tmp_path: Path) -> None:
    scores = score_pitch(take(tmp_path, BOTH, track(1, 220) + track(2, 440)), PAIRS)
    assert [scores.melody[i].overall_accuracy for i in (0, 1)] == [1.0, 1.0]
    assert scores.multipitch is not None
    assert scores.multipitch.accuracy == 1.0
    assert scores.notices == ()


def test_an_octave_a_silence_and_a_wrong_pair(tmp_path: Path) -> None:
    scores = score_pitch(take(tmp_path, BOTH, track(1, 220, on=0) + track(2, 880)), PAIRS)
    octave, silent = scores.melody[0], scores.melody[1]
    assert (octave.raw_pitch_accuracy, octave.raw_chroma_accuracy) == (0.0, 1.0)
    assert (silent.raw_pitch_accuracy, silent.voicing_recall) == (1.0, 0.0)
    swapped = score_pitch(take(tmp_path, BOTH, track(1, 220) + track(2, 440)), [(0, 0), (1, 1)])
    assert swapped.melody[0].raw_pitch_accuracy == 0.0
    # All pitches together do not depend on the pairs.
    assert swapped.multipitch is not None
    assert swapped.multipitch.accuracy == 1.0


def test_one_reference_without_notes_leaves_out_the_common_score(tmp_path: Path) -> None:
    scores = score_pitch(take(tmp_path, "a,0,1,69,90,0\n", track(1, 1) + track(2, 440)), PAIRS)
    assert list(scores.melody) == [0]
    assert scores.multipitch is None


@pytest.mark.parametrize(("notes", "found"), [("", ""), (BOTH, "")])
def test_nothing_to_compare(tmp_path: Path, notes: str, found: str) -> None:
    assert score_pitch(take(tmp_path, notes, found), PAIRS) == TakePitch()


def test_a_stem_without_a_track_is_named(tmp_path: Path) -> None:
    scores = score_pitch(take(tmp_path, BOTH, track(2, 440)), PAIRS)
    assert list(scores.melody) == [0]
    assert scores.notices == ("instrument-1: pitch not scored, pitch.csv has no such number.",)
