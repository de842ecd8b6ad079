"""Worth of tones: who has tones of its own gets notes, whoever has none stays silent."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.testing import assert_close

from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.decoded import Decoded
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses
from musisep_cli.players.worth import LEAST_WORTH, Worth, n_with_own_tones, of_fewer, with_silent
from musisep_cli.tones.tones import Tones
from tests import decodings

CONFIG = DecodingConfig(least_own=0.35)
N_FRAMES, N_HARMONICS = 400, 3
MUCH = 2 * LEAST_WORTH / CONFIG.weight_misfit


def hypotheses(drops: torch.Tensor, n_frames: int = N_FRAMES) -> Hypotheses:
    """Sets of 0, 1, 2, ... tones, each of which lowers the misfit by its drop, ``[n, i]``."""
    n_tones = drops.shape[-1]
    drops = drops.expand(n_frames, n_tones)
    on = torch.arange(n_tones) < torch.arange(n_tones + 1)[:, None]  # s, i
    on = on.expand(n_frames, -1, -1)
    loudness = on.float()
    return Hypotheses(
        log_prob=torch.zeros(on.shape[:2]),
        misfit=1 - torch.cat([torch.zeros(n_frames, 1), drops.cumsum(1)], 1),
        tones=Tones(on, 20.0 * (1 + torch.arange(n_tones)).expand(on.shape), torch.zeros(on.shape)),
        loudness=loudness,
        timbre=loudness[..., None].expand(*on.shape, N_HARMONICS).half(),
        place=loudness[..., None],
    )


def test_the_worth_of_a_tone_is_what_sets_without_it_leave() -> None:
    worth = Worth.of(hypotheses(torch.tensor([0.5, 0.3, 0.01])), CONFIG)
    expected = CONFIG.weight_misfit * torch.tensor([0.3, 0.01])
    assert_close(worth.of_tones, expected.expand(N_FRAMES, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("drops", "n_own"),
    [
        ((0.6,), 1),
        ((0.6, 0.01), 1),
        ((0.5, 0.3), 2),
        ((0.5, 0.3, 0.01), 2),
        ((0.6, 0.01, 0.01), 1),
        ((0.4, 0.2, 0.2), 3),
        ((0.4, 0.2, 0.2, 0.01), 4),  # of four none is doubted
        ((0.6, 0.01, 0.01, 0.01), 1),
        ((0.6, 0.01, 0.01, 0.01, 0.01), 5),  # where five are asked for, so many rest at any time
    ],
)
def test_instruments_with_tones_of_their_own_are_counted(
    drops: tuple[float, ...], n_own: int
) -> None:
    found = hypotheses(torch.tensor(drops))
    assert n_with_own_tones(found, CONFIG) == n_own
    assert n_with_own_tones(found, replace(CONFIG, least_own=0.0)) == len(drops)


@pytest.mark.parametrize(("starts", "ends", "n_own"), [(0.5, 1.0, 2), (0.2, 0.8, 2), (0.9, 1.0, 1)])
def test_an_entry_late_or_a_solo_leaves_an_instrument(
    starts: float, ends: float, n_own: int
) -> None:
    drops = torch.tensor([0.5, 0.01]).repeat(N_FRAMES, 1)
    drops[round(starts * N_FRAMES) : round(ends * N_FRAMES), 1] = MUCH
    assert n_with_own_tones(hypotheses(drops), CONFIG) == n_own


def test_faint_frames_have_no_say() -> None:
    drops = torch.tensor([0.5, 0.01]).repeat(N_FRAMES, 1)
    drops[1::2, 1] = MUCH
    found = hypotheses(drops)
    quiet = torch.where(torch.arange(N_FRAMES) % 2 > 0, 1e-3, 1.0)[:, None, None]
    assert n_with_own_tones(found, CONFIG) == 2
    assert n_with_own_tones(replace(found, loudness=found.loudness * quiet), CONFIG) == 1


def test_sets_of_fewer_tones_keep_those_that_sound() -> None:
    found = hypotheses(torch.tensor([0.5, 0.3]), n_frames=4)
    # The same sets with the tone that sounds in the second place.
    swapped = replace(
        found,
        tones=Tones(
            found.tones.on.flip(-1), found.tones.f0_bins.flip(-1), found.tones.inharmonicity
        ),
        loudness=found.loudness.flip(-1),
        timbre=found.timbre.flip(2),
        place=found.place.flip(2),
    )
    fewer = of_fewer(swapped, 1)[:]
    assert_array_equal(fewer.tones.on[0, :, 0].numpy(), [False, True, True])
    assert_close(fewer.tones.f0_bins[:, 1], torch.full((4, 1), 20.0))
    assert_close(fewer.loudness[:, 1], torch.ones(4, 1))
    assert fewer.timbre.shape == (4, 3, 1, N_HARMONICS)
    assert bool((fewer.log_prob[:, 2] < LEAST_LOG_PROB).all())
    assert_close(fewer.log_prob[:, :2], found.log_prob[:, :2])


def test_silent_instruments_play_nothing() -> None:
    found = of_fewer(hypotheses(torch.tensor([0.5, 0.01, 0.01]), n_frames=5), 1)
    decoding = decodings.decoding(
        np.ones(5, np.int64), np.zeros((5, 1), np.int64), np.ones((1, N_HARMONICS))
    )
    wide, padded = with_silent(found, decoding, 3)
    played = Decoded(wide, padded)
    assert_array_equal(played[:].on.numpy(), [[1.0, 0.0, 0.0]] * 5)
    assert_array_equal(played.loudness(slice(None)).numpy(), [[1.0, 0.0, 0.0]] * 5)
    assert padded.instruments.timbres.shape == (3, N_HARMONICS)
    assert not padded.instruments.timbres[1:].any()
    assert_array_equal(padded.ordered(np.array([2, 0, 1])).tones[:, 1], decoding.tones[:, 0])
