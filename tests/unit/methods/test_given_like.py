"""Given by likeness: stems that are asked for by a solo, a name or an identity."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from musisep_cli.errors import ConfigError
from musisep_cli.methods.given_like import EVEN, check, chosen, presence, stem_names
from musisep_cli.methods.method import Result
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.tones.identity import learn_solo
from musisep_cli.tones.solo import solo_pitch
from musisep_cli.tones.tracks import PitchTracks
from tests.signals import CLARINET, CLARINET_MELODY, FLUTE, FLUTE_MELODY, melody

RATE_HZ = 16_000


def line(pitches: tuple[float, ...], amplitudes: tuple[float, ...]) -> np.ndarray:
    return melody(
        pitches, note_s=0.3, amplitudes=amplitudes, duration_s=2.1, sample_rate_hz=RATE_HZ
    )


FLUTE_STEM, CLARINET_STEM = line(FLUTE_MELODY, FLUTE), line(CLARINET_MELODY, CLARINET)
FLUTE_SOLO = line(FLUTE_MELODY[::-2], FLUTE)
CLARINET_SOLO = line(CLARINET_MELODY[::-2], CLARINET)
LOW_SOLO = line((40, 43, 45), (0.2, 0.1, 1.0, 0.1, 0.9, 0.7))


def separated() -> Result:
    stems = [FLUTE_STEM, CLARINET_STEM]
    tracks = [solo_pitch(stem, RATE_HZ) for stem in stems]
    return Result(
        stems=[stem[:, None].astype(np.float32) for stem in stems],
        tracks=PitchTracks(
            times_s=tracks[0].times_s,
            f0_hz=np.concatenate([each.f0_hz for each in tracks]),
            amplitude=np.concatenate([each.amplitude for each in tracks]),
            on=np.concatenate([each.on for each in tracks]),
        ),
        objective=1.0,
        dictionary=np.array([[1.0, 0.5], [0.1, 0.2]], np.float32),
    )


def ask(*solos: np.ndarray, others: bool = False) -> Result:
    config = LikeConfig(names=("one", "two")[: len(solos)], others=others)
    identities = [[learn_solo(solo, RATE_HZ)] for solo in solos]
    return chosen(separated(), config, identities, RATE_HZ)


@pytest.mark.parametrize(
    ("solo", "stem", "row"), [(FLUTE_SOLO, FLUTE_STEM, 0), (CLARINET_SOLO, CLARINET_STEM, 1)]
)
def test_who_is_asked_for_by_another_passage_is_returned(
    solo: np.ndarray, stem: np.ndarray, row: int
) -> None:
    found = ask(solo)
    (returned,) = found.stems
    assert_array_equal(returned[:, 0], stem.astype(np.float32))
    assert_array_equal(found.tracks.f0_hz, separated().tracks.f0_hz[[row]])
    assert found.dictionary is not None
    assert_array_equal(found.dictionary[:, 0], separated().dictionary[:, row])  # type: ignore[index]
    assert found.likes[0]["heard"]
    assert found.likes[0]["presence"] > 0.9


def test_with_the_others_those_asked_for_come_first() -> None:
    found = ask(CLARINET_SOLO, others=True)
    assert_array_equal(np.stack(list(found.stems)), np.stack(list(separated().stems))[::-1])


def test_two_that_are_asked_for_get_a_stem_each() -> None:
    found = ask(CLARINET_SOLO, FLUTE_SOLO)
    assert_array_equal(np.stack(list(found.stems)), np.stack(list(separated().stems))[::-1])
    assert len(found.likes) == 2


def test_who_is_absent_is_silent_and_said_to_be() -> None:
    found = ask(LOW_SOLO)
    (returned,) = found.stems
    assert returned.shape == (len(FLUTE_STEM), 1)
    assert not np.asarray(returned).any()
    assert not found.tracks.on.any()
    assert not found.likes[0]["heard"]
    assert found.likes[0]["presence"] < 0.1
    assert json.dumps(found.likes[0])


def test_without_a_wish_nothing_changes() -> None:
    result = separated()
    assert chosen(result, LikeConfig(), [], RATE_HZ) is result


def test_the_presence_falls_with_the_misfit() -> None:
    assert presence(0.0) > 0.99 > presence(EVEN) == 0.5 > 0.01 > presence(np.inf)


def test_names_of_stems_follow_from_the_wishes() -> None:
    config = LikeConfig(names=("violin",))
    assert stem_names(config, 3) == ["violin", "instrument-2", "instrument-3"]
    assert stem_names(replace(config, others=False), 3) == ["violin"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a/b",), "cannot be the name"),
        (("",), "cannot be the name"),
        (("rest",), "another file"),
        (("Instrument-1",), "of the others"),
        (("a", "A"), "another file"),
        (("a", "b", "c"), "3 instruments are asked for, and the recording is said to have 2"),
        (("violine",), "near to it: violin"),
    ],
)
def test_names_that_cannot_be_are_refused(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(LikeConfig(names=names), 2)
