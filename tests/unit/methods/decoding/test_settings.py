"""Settings of the decoding: the network's sections, and those that decide over all frames."""

from dataclasses import fields

import torch

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.settings import NetworkSettings
from musisep_cli.run.settings.compose import compose


def test_decoding_adds_search_players_and_stems_to_the_network() -> None:
    added = {f.name for f in fields(DecodingSettings)} - {f.name for f in fields(NetworkSettings)}
    assert added == {"training", "search", "decoding", "resynthesis", "pitch", "voices", "like"}
    assert DecodingSettings().decoding.over_time


def test_a_draft_has_the_network_of_standard_and_a_tenth_of_its_work() -> None:
    draft, standard = (compose(name).settings for name in ("draft", "standard"))
    for section in ("network", "policy", "parameters", "warmstart", "dictionary"):
        assert getattr(draft, section) == getattr(standard, section)
    # What the network does grows with rows, one and then as many as the beam, bins and frames.
    rows = [
        (1 + given.search.beam) * given.frame.n_bins_below / given.frame.hop_zetas
        for given in (draft, standard)
    ]
    assert rows[0] < rows[1] / 10


def test_the_frames_of_a_draft_still_hold_the_whole_signal() -> None:
    settings = compose("draft").settings
    frame = GaborFrame(settings.frame, 16_000)
    mix = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    back = frame.synthesise([frame.analyse(mix, frame.centres(len(mix)))], len(mix))
    torch.testing.assert_close(back, mix, atol=1e-4, rtol=0)
    assert settings.resynthesis.change_window == 1
