"""Settings of sparse pursuit: the defaults of its parts, which are the authors' constants."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.pursuit.configs import (
    LearningConfig,
    LineConfig,
    MaskConfig,
    PursuitConfig,
    SetsConfig,
)
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.players.given.by_score import PitchConfig
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class PursuitSettings:
    """All sections of a separation by sparse pursuit."""

    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    lines: LineConfig = field(default_factory=LineConfig)
    pursuit: PursuitConfig = field(default_factory=PursuitConfig)
    training: LearningConfig = field(default_factory=LearningConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    sets: SetsConfig = field(default_factory=SetsConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)
    pitch: PitchConfig = field(default_factory=PitchConfig)
    like: LikeConfig = field(default_factory=LikeConfig)
