"""Scene: the order of lines as a cue of its own, and how many states need to be followed."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from musisep_cli.frames.spool import Spool
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.path import decode, go_on
from musisep_cli.players.scene import TRUST_IN_LINES, Scene
from musisep_cli.players.voices import Voices
from tests import decodings
from tests.unit.players.test_path import CLARINET, FLUTE, candidates, notes, sounds

CONFIG = DecodingConfig()


def test_an_order_alone_keeps_two_lines_of_one_timbre_apart() -> None:
    generator = np.random.default_rng(0)
    n = 60
    lower = generator.uniform(50, 80, n)  # no register: only that the other is above it
    lines = np.stack([lower + generator.uniform(3, 6, n), lower], 1)
    columns = np.argsort(generator.random((n, 2)), 1)
    pitch = np.take_along_axis(lines, columns, 1)
    config = replace(CONFIG, weight_timbre=0.0, weight_register=0.0, weight_leap=0.0)
    given = candidates(pitch, sounds([FLUTE, FLUTE], n, generator))
    scene = Scene(given, Voices.single(2), config, Spool.temporary, go_on)
    known = replace(
        decodings.instruments(np.ones((2, 8)) / np.sqrt(8)),
        above=np.array([[0.5, 0.8], [0.2, 0.5]]),
    )
    found = scene.path_with(known)
    assert_array_equal(np.take_along_axis(pitch, found.tones, 1), lines)
    turned = scene.path_with(replace(known, above=known.above.T))
    assert_array_equal(np.take_along_axis(pitch, turned.tones, 1), lines[:, ::-1])


@pytest.mark.parametrize("seed", range(2))
def test_few_states_of_four_instruments_give_the_path_of_all(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = 40
    timbres = [np.full(8, 0.05) + np.eye(8)[k] + 0.5 * np.eye(8)[k + 4] for k in range(4)]
    lines = np.array([80.0, 70.0, 60.0, 50.0]) + generator.uniform(-4, 4, (n, 4))
    columns = np.argsort(generator.random((n, 4)), 1)
    given = candidates(
        np.take_along_axis(lines, columns, 1),
        np.take_along_axis(sounds(timbres, n, generator), columns[..., None], 1),
    )
    found, every = (
        decode(given, Voices.single(4), replace(CONFIG, states=states), seed)
        for states in (8, 10_000)
    )
    assert_array_equal(found.tones, every.tones)
    assert_array_equal(np.take_along_axis(columns, found.tones, 1), np.tile(range(4), (n, 1)))
    assert found.cost == pytest.approx(every.cost, rel=1e-5)


def duet() -> Scene:
    generator = np.random.default_rng(3)
    pitch = np.stack([notes(76, 86, 60, 5, generator), notes(66, 78, 60, 6, generator)], 1)
    frames = candidates(pitch, sounds([FLUTE, CLARINET], 60, generator))
    return Scene(frames, Voices.single(2), CONFIG, Spool.temporary, go_on)


def test_every_start_is_tried_with_every_trust_in_lines() -> None:
    starts = duet().starts(0)
    assert len(starts) == CONFIG.starts * len(TRUST_IN_LINES)
    assert {start.trust_in_lines for start in starts} == set(TRUST_IN_LINES)


def test_more_or_less_trust_changes_nothing_else() -> None:
    two = duet()
    found = two.path_with(two.starts(0)[0])
    less = found.trusting(0.5)
    assert less.instruments.trust_in_lines == 0.5
    assert less.tones is found.tones
