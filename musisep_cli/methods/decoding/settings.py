"""Settings of the decoding method: the policy's network, and what decides over all frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.methods.decoding.rehearsal import RehearsalConfig
from musisep_cli.methods.decoding.search import SearchConfig
from musisep_cli.methods.policy.settings import NetworkSettings
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.players.given.by_score import PitchConfig
from musisep_cli.players.voices import VoicesConfig
from musisep_cli.stems.one_window import ResynthesisConfig


@dataclass(frozen=True, kw_only=True)
class DecodingSettings(NetworkSettings):
    """All sections of a separation by decoding over time."""

    training: RehearsalConfig = field(default_factory=RehearsalConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)
    pitch: PitchConfig = field(default_factory=PitchConfig)
    voices: VoicesConfig = field(default_factory=VoicesConfig)
    like: LikeConfig = field(default_factory=LikeConfig)
