"""Known instruments: held in a decoding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from musisep_cli.players.decoded import Decoded
from musisep_cli.players.instruments import Instruments
from musisep_cli.players.known import as_identity, heard_times, held
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.tones.identity import N_HARMONICS
from musisep_cli.tones.likeness import WIDER_SEMITONES, misfit
from musisep_cli.tones.timbre import LOWEST_SEMITONE, N_SEMITONES, Timbres
from tests.unit.players.test_rounds import FRAME, scene
from tests.unit.tones.test_likeness import FALLING, ODD, instrument

PLACES = np.array([[0.6, 0.8], [1.0, 0.0]])
LIFTED = np.full(N_HARMONICS, N_HARMONICS**-0.5)


def decoded(n_frames: int = 1, voices: tuple[int, ...] = (1, 1)) -> Decoding:
    n_voices = sum(voices)
    return Decoding(
        hypotheses=np.zeros(n_frames, np.int64),
        tones=np.tile(np.arange(n_voices), (n_frames, 1)),
        voices=Voices(voices),
        instruments=instruments(),
        cost=0.0,
    )


def instruments() -> Instruments:
    """Two of them, the first above the second, in two channels."""
    return Instruments(
        timbres=np.stack([np.outer(place, LIFTED).ravel() for place in PLACES]),
        timbre_spread=0.1,
        timbre_dimensions=4.0,
        register_semitones=np.array([70.0, 40.0]),
        spread_semitones=np.array([2.0, 2.0]),
        above=np.array([[0.5, 0.9], [0.1, 0.5]]),
        level_nats=np.zeros(2),
        spread_nats=np.ones(2),
    )


def timbres() -> Timbres:
    table = torch.from_numpy(10 ** (np.stack([FALLING, ODD]) / 20)).float()
    return Timbres((table / table.amax(1, keepdim=True))[:, None].repeat(1, N_SEMITONES, 1))


def heard_s() -> np.ndarray:
    times = np.zeros((2, N_SEMITONES))
    times[0, 70 - LOWEST_SEMITONE] = times[1, 40 - LOWEST_SEMITONE] = 1.0
    return times


def test_a_table_is_the_identity_that_it_was_made_of() -> None:
    found = as_identity(timbres(), 1, heard_s()[1])
    assert misfit(known=instrument(ODD, 40), heard=found) < 0.02
    assert found.register_semitones == (40.0, 0.0)


def test_the_instrument_that_is_like_the_known_one_is_held_and_no_other() -> None:
    one = instrument(ODD, 40, 45)
    found, table = held(instruments(), timbres(), heard_s(), [[instrument(FALLING, 90), one]])
    assert_allclose(found.register_semitones, [70.0, 42.5])
    assert_allclose(found.spread_semitones, [2.0, np.hypot(2.5, WIDER_SEMITONES)])
    assert_close(table.table[0], timbres().table[0])
    assert_array_equal(found.timbres[0], instruments().timbres[0])
    assert_array_equal(found.above, np.full((2, 2), 0.5))


def test_the_timbre_of_who_is_held_is_the_table_s_where_it_sounded_in_stereo() -> None:
    found, table = held(instruments(), timbres(), heard_s(), [[instrument(ODD, 40)]])
    lifted = table.table[1, 40 - LOWEST_SEMITONE].double().sqrt().numpy()
    assert_allclose(
        found.timbres[1], np.outer(PLACES[1], lifted / np.linalg.norm(lifted)).ravel(), atol=1e-6
    )


def test_who_plays_nothing_is_nobody() -> None:
    silent = heard_s() * [[1.0], [0.0]]
    known = [[instrument(ODD, 40)], [instrument(FALLING, 70)]]
    found, table = held(instruments(), timbres(), silent, known)
    assert_close(table.table[1], timbres().table[1])
    assert_array_equal(found.timbres[1], instruments().timbres[1])
    assert (table.table[0] != timbres().table[0]).any()


def test_the_held_timbre_lies_between_the_learned_and_the_known_one() -> None:
    brighter = np.where(np.arange(N_HARMONICS) == 4, -1.0, ODD)
    _, table = held(instruments(), timbres(), heard_s(), [[instrument(brighter, 40)]])
    learned, between = timbres().table[1], table.table[1]
    row = 40 - LOWEST_SEMITONE
    known = torch.from_numpy(10 ** ((brighter - brighter.max()) / 20)).float()
    low, high = torch.minimum(learned[row], known), torch.maximum(learned[row], known)
    assert (between[row] >= low - 1e-6).all()
    assert (between[row] <= high + 1e-6).all()
    assert between[row, 1] != learned[row, 1]


def test_far_from_what_was_heard_the_recording_has_more_say() -> None:
    brighter = np.where(np.arange(N_HARMONICS) == 4, -1.0, ODD)
    _, table = held(instruments(), timbres(), heard_s(), [[instrument(brighter, 40)]])
    moved = (table.table / timbres().table).log().abs().sum(2)
    row = 40 - LOWEST_SEMITONE
    assert moved[1, row] > 2 * moved[1, row + 12] > 0


@pytest.mark.parametrize("voices", [(1, 1), (2,)])
def test_times_are_counted_by_instrument_and_pitch(voices: tuple[int, ...]) -> None:
    found, _, _ = scene(n_notes=4)
    tones = replace(found.tones, on=found.tones.on.clone())
    tones.on[:4] = False
    n = len(found)
    times = heard_times(Decoded(replace(found, tones=tones), decoded(n, voices)), FRAME)
    hop_s = FRAME.hop_samples / FRAME.sample_rate_hz
    sounding_s = tones.on[:, 0].sum(0).double().numpy() * hop_s
    assert_allclose(times.sum(1), sounding_s if voices == (1, 1) else [sounding_s.sum()])
