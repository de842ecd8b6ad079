"""All sets of few enough tones: how many there are, and none too large."""

import torch

from musisep_cli.players.subsets import subsets, tones_of_sets


def test_no_set_has_more_tones_than_there_are_instruments() -> None:
    assert subsets(4, 2).sum(1).max() == 2
    assert len(subsets(4, 2)) == 1 + 4 + 6


def test_the_tones_of_a_set_come_first_and_rests_last() -> None:
    chosen = torch.tensor([[[False, True, True], [True, False, False], [False, False, False]]])
    f0_bins, inharmonicity = torch.tensor([[10.0, 20.0, 30.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    found = tones_of_sets(chosen, f0_bins, inharmonicity, 2)
    assert found.on.int().tolist() == [[[1, 1], [1, 0], [0, 0]]]
    assert found.f0_bins.tolist() == [[[20, 30], [10, 0], [0, 0]]]
    assert found.inharmonicity.tolist() == [[[2, 3], [1, 0], [0, 0]]]
