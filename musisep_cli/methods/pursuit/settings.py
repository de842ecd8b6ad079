"""Settings of sparse pursuit: the defaults of its parts, which are the authors' constants."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.pursuit.configs import (
    LearningConfig,
    LineConfig,
    MaskConfig,
    PursuitConfig,
)


@dataclass(frozen=True, kw_only=True)
class AtomConfig:
    """What the dictionary starts from, and whether it is learned."""

    n_harmonics: int = field(default=25, metadata={"least": 1, "most": 100})
    """Harmonics of a tone."""
    init_file: str = field(default="", metadata={"no_file": ("",)})
    """Start from the atoms of this dictionary.json, of another recording or a track on its own."""
    frozen: bool = False
    """Keep the dictionary as it is given, do not learn it."""


@dataclass(frozen=True, kw_only=True)
class PursuitSettings:
    """All sections of a separation by sparse pursuit."""

    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: AtomConfig = field(default_factory=AtomConfig)
    lines: LineConfig = field(default_factory=LineConfig)
    pursuit: PursuitConfig = field(default_factory=PursuitConfig)
    training: LearningConfig = field(default_factory=LearningConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
