"""Scene: paths through all hypotheses; what is followed and what is told of the instruments."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from musisep_cli.frames.spool import Spool
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.scene import TRUST_IN_LINES, Scene
from musisep_cli.players.voices import Voices
from tests.unit.players import test_path as paths

CONFIG = DecodingConfig()


def scene(n_instruments: int, config: DecodingConfig = CONFIG, *, alike: bool = False) -> Scene:
    generator = np.random.default_rng(3)
    n, ranges = 60, [(76, 86), (66, 78), (55, 68), (43, 55)][:n_instruments]
    pitch = np.stack([paths.notes(*ends, n, 5 + i, generator) for i, ends in enumerate(ranges)], 1)
    timbres = [paths.FLUTE, paths.CLARINET, paths.STRING, paths.FLUTE]
    if alike:
        timbres = [paths.FLUTE] * 4
    frames = paths.candidates(pitch, paths.sounds(timbres[:n_instruments], n, generator))
    return Scene(frames, Voices.single(n_instruments), config, Spool.temporary, lambda: None)


@pytest.mark.parametrize("n_states", [6, 24])
def test_a_path_among_a_few_states_is_that_among_all(n_states: int) -> None:
    every, some = scene(4), scene(4, replace(CONFIG, states=n_states))
    start = every.starts(0)[0]
    found, pruned = every.path_with(start), some.path_with(start)
    assert_array_equal(pruned.tones, found.tones)
    assert pruned.cost == pytest.approx(found.cost)


def test_every_start_is_tried_with_every_trust_in_lines() -> None:
    starts = scene(2).starts(0)
    assert len(starts) == CONFIG.starts * len(TRUST_IN_LINES)
    assert {start.trust_in_lines for start in starts} == set(TRUST_IN_LINES)


def test_the_order_of_lines_alone_keeps_two_of_one_timbre_apart() -> None:
    only = replace(CONFIG, weight_register=0.0, weight_leap=0.0)
    two = scene(2, only, alike=True)
    found = two.settle(two.starts(0)[0], CONFIG.rounds)
    assert (found.tones[:, 0] == 0).mean() >= paths.MIN_SHARE_RIGHT - 0.05
    assert found.instruments.above[0, 1] > 0.6


def test_more_or_less_trust_changes_nothing_else() -> None:
    two = scene(2)
    found = two.path_with(two.starts(0)[0])
    less = found.trusting(0.5)
    assert less.instruments.trust_in_lines == 0.5
    assert less.tones is found.tones
