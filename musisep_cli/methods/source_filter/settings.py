"""Settings of the source-filter method: its own sections, and those of pitch and frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.source_filter.adaptation import TrainingConfig
from musisep_cli.methods.source_filter.masks import MaskConfig
from musisep_cli.methods.source_filter.network import NetworkConfig
from musisep_cli.players.given.by_score import PitchConfig
from musisep_cli.tones.dictionary import DictionaryConfig


@dataclass(frozen=True, kw_only=True)
class SourceFilterSettings:
    """All sections of a separation by source-filter models."""

    pitch: PitchConfig = field(default_factory=PitchConfig)
    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
