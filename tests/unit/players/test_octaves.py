"""Octaves of the best set: where they stand, what they cost, what a rest becomes."""

import torch

from musisep_cli.players.octaves import with_octaves
from musisep_cli.tones.tones import Tones

ON = torch.tensor([[[True, True], [True, False]]])
F0_BINS = torch.tensor([[[50.0, 81.0], [50.0, 0.0]]])
TONES = Tones(ON, F0_BINS, torch.full((1, 2, 2), 1e-3))
LOG_PROB = torch.tensor([[0.0, -2.0]])


def test_octaves_of_the_first_set_come_behind_the_sets_and_cost_their_nats() -> None:
    log_prob, tones = with_octaves(LOG_PROB, TONES, 10.0, 10.0)
    torch.testing.assert_close(log_prob, torch.tensor([[0.0, -2.0, -10.0, -10.0, -10.0, -10.0]]))
    torch.testing.assert_close(tones.f0_bins[:, :2], F0_BINS)
    moved = torch.tensor([[25.0, 81.0], [100.0, 81.0], [50.0, 40.5], [50.0, 162.0]])
    torch.testing.assert_close(tones.f0_bins[0, 2:], moved)
    assert tones.on[0, 2:].all()
    torch.testing.assert_close(tones.inharmonicity[0, 2], torch.full((2,), 1e-3))


def test_no_octave_goes_below_the_lowest_pitch() -> None:
    _, moved = with_octaves(LOG_PROB, TONES, 10.0, 40.0)
    assert float(moved.f0_bins[moved.on].min()) == 40.0


def test_a_rest_stays_one() -> None:
    alone = Tones(ON[:, 1:], F0_BINS[:, 1:], torch.zeros(1, 1, 2))
    _, moved = with_octaves(LOG_PROB[:, 1:], alone, 1.0, 10.0)
    assert moved.on[0, :, 0].all()
    assert not moved.on[0, :, 1].any()
    assert not moved.f0_bins[0, :, 1].any()


def test_no_set_is_less_probable_than_can_be_told() -> None:
    log_prob, _ = with_octaves(LOG_PROB, TONES, 1000.0, 10.0)
    assert float(log_prob.min()) == -60.0
