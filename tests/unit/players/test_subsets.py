"""All sets of few enough tones: how many there are, and none too large."""

from musisep_cli.players.subsets import subsets


def test_no_set_has_more_tones_than_there_are_instruments() -> None:
    assert subsets(4, 2).sum(1).max() == 2
    assert len(subsets(4, 2)) == 1 + 4 + 6
