"""Settings of the policy method: the defaults of its parts, which are the paper's constants."""

from __future__ import annotations

from dataclasses import dataclass, field

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.policy.estimator import EstimatorConfig
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import PolicyConfig
from musisep_cli.methods.policy.trainer import TrainingConfig
from musisep_cli.methods.policy.unet import NetworkConfig
from musisep_cli.methods.policy.warmstart.weights import WarmstartConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What a network that predicts tones is made with, whatever is done with it."""

    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    parameters: ParameterConfig = field(default_factory=ParameterConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    warmstart: WarmstartConfig = field(default_factory=WarmstartConfig)


@dataclass(frozen=True, kw_only=True)
class PolicySettings(NetworkSettings):
    """All sections of a separation by the policy itself."""

    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
