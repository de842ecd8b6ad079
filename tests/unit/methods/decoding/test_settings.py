"""Settings of the decoding: the network's sections, and those that decide over all frames."""

from dataclasses import fields

from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.settings import NetworkSettings


def test_decoding_adds_search_players_and_stems_to_the_network() -> None:
    added = {f.name for f in fields(DecodingSettings)} - {f.name for f in fields(NetworkSettings)}
    assert added == {"training", "search", "decoding", "resynthesis", "pitch", "voices", "like"}
    assert DecodingSettings().decoding.over_time
