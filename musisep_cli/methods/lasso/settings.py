"""Settings of the lasso method: its own sections, and those of decoding and of stems."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.lasso.regularisation import PathConfig
from musisep_cli.methods.lasso.sliding_frank_wolfe import FrankWolfeConfig
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.players.given.by_score import PitchConfig
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.certificate import CertificateConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class LassoConfig:
    """Which frames are listened to, and what becomes of the tones that were found."""

    learning_hops: int = 4
    """In the first round the dictionary is learned from every so many frames; the next hold almost
    the same sound."""
    hops: int = 2
    """In the second round tones are looked for in every so many frames; those after it try the same
    sets. A window reaches over 4 hops, so they hold nearly the same sound, and pitches are refined
    in every frame."""
    sets: int = 10
    """Sets of a frame's tones that are kept, those of the least objective."""
    octave_nats: float = field(default=10.0, metadata={"least": 0})
    """The best set is also tried with each tone an octave lower and higher, so much less probable.
    0: it is not."""
    held_nats: float = field(default=5.0, metadata={"least": 0})
    """How much less probable than what was decoded a set is in which notes are held from the frames
    before, or begun before those after. 0: there are none."""
    refined_pitch: bool = True
    """Whether pitches are set to where their harmonics are strongest before sets are compared."""


@dataclass(frozen=True, kw_only=True)
class LassoSettings:
    """All sections of a separation by the Beurling LASSO."""

    frame: FrameConfig = field(default_factory=FrameConfig)
    certificate: CertificateConfig = field(default_factory=CertificateConfig)
    frank_wolfe: FrankWolfeConfig = field(default_factory=FrankWolfeConfig)
    path: PathConfig = field(default_factory=PathConfig)
    lasso: LassoConfig = field(default_factory=LassoConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)
    pitch: PitchConfig = field(default_factory=PitchConfig)
    like: LikeConfig = field(default_factory=LikeConfig)
