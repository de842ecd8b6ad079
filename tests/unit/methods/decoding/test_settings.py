"""Settings of the decoding: the network's sections, and those that decide over all frames."""

from dataclasses import fields, replace

import pytest
import torch

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.settings import NetworkSettings
from musisep_cli.run.settings.compose import compose


def test_decoding_adds_search_players_and_stems_to_the_network() -> None:
    added = {f.name for f in fields(DecodingSettings)} - {f.name for f in fields(NetworkSettings)}
    assert added == {"training", "search", "decoding", "resynthesis", "pitch", "voices", "like"}
    assert DecodingSettings().decoding.over_time


@pytest.mark.parametrize(("n_instruments", "share"), [(2, 0.12), (3, 0.06)])
def test_a_draft_has_the_network_of_standard_and_little_of_its_work(
    n_instruments: int, share: float
) -> None:
    run = {"run": {"instruments": n_instruments}}
    draft, standard = (compose(name, run).settings for name in ("draft", "standard"))
    for section in ("network", "policy", "parameters", "warmstart", "dictionary"):
        assert getattr(draft, section) == getattr(standard, section)
    # What the network does grows with rows, one and then as many as the beam, bins and frames.
    rows = [
        (1 + given.search.beam) * given.frame.n_bins_below / given.frame.hop_zetas
        for given in (draft, standard)
    ]
    assert rows[0] < share * rows[1]


def test_one_or_two_instruments_take_half_as_many_frames_for_notes_as_long() -> None:
    few, many = (compose("standard", {"run": {"instruments": n}}).settings for n in (2, 3))
    assert few.frame.hop_zetas == 2 * many.frame.hop_zetas
    assert 2 * few.decoding.note_reach == many.decoding.note_reach
    same = replace(few, frame=many.frame, decoding=many.decoding)
    assert same == many


def test_a_draft_s_own_hop_counts_for_any_number() -> None:
    few, many = (compose("draft", {"run": {"instruments": n}}).settings for n in (2, 3))
    # Unisons alone are weighed otherwise, as in the standard preset.
    assert few.decoding.weight_unison > many.decoding.weight_unison
    alike = replace(few.decoding, weight_unison=many.decoding.weight_unison)
    assert replace(few, decoding=alike) == many


def test_the_frames_of_a_draft_still_hold_the_whole_signal() -> None:
    settings = compose("draft").settings
    frame = GaborFrame(settings.frame, 16_000)
    mix = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    back = frame.synthesise([frame.analyse(mix, frame.centres(len(mix)))], len(mix))
    torch.testing.assert_close(back, mix, atol=1e-4, rtol=0)
    assert settings.resynthesis.change_window == 1
