"""Settings of the structures method: its own sections, and those of decoding and of stems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.structures.first_pass import FirstPassConfig
from musisep_cli.methods.structures.nk_clustering import NkConfig
from musisep_cli.methods.structures.pitch_likelihood import LikelihoodConfig
from musisep_cli.methods.structures.spectral_peaks import PeakConfig
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.players.given.by_score import PitchConfig
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class StructuresConfig:
    """What becomes of the tones that were found."""

    sound: Literal["decoded", "faithful"] = "decoded"
    """faithful: the paper's own way, stems from the mixture's peaks; what no instrument explains
    stays in the residual. decoded: the tones are hypotheses, of which those that sound are chosen
    over time, and become stems as with the other methods; what the tones leave is shared out."""
    learning_hops: int = 4
    """Structures are learned from every so many frames; the next hold almost the same sound."""
    octave_nats: float = 10.0
    """Where tones are decoded: how much less likely than what the second pass found a set is in
    which one tone lies an octave lower or higher."""
    held_nats: float = field(default=5.0, metadata={"least": 0})
    """Where tones are decoded: how much less likely than what was decoded a set is in which notes
    are held from the frames before, or begun before those after; 0: there are none."""


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The sections that find pitches and structures."""

    frame: FrameConfig = field(default_factory=FrameConfig)
    peaks: PeakConfig = field(default_factory=PeakConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)
    first_pass: FirstPassConfig = field(default_factory=FirstPassConfig)
    clustering: NkConfig = field(default_factory=NkConfig)


@dataclass(frozen=True, kw_only=True)
class StructuresSettings(DetectorSettings):
    """All sections of a separation by harmonic structures."""

    structures: StructuresConfig = field(default_factory=StructuresConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)
    pitch: PitchConfig = field(default_factory=PitchConfig)
    like: LikeConfig = field(default_factory=LikeConfig)
