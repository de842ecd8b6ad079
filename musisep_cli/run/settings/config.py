"""Configuration: the defaults of all parts, composed.

The defaults of the parts' dataclasses are the paper's constants. What changes them is in
``settings``, and how far they may be changed in ``limits``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.machine.device import Precision
from musisep_cli.methods.decoding.costs import DecodingConfig
from musisep_cli.methods.decoding.search import SearchConfig
from musisep_cli.methods.policy.estimator import EstimatorConfig
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import PolicyConfig
from musisep_cli.methods.policy.trainer import TrainingConfig
from musisep_cli.methods.policy.unet import NetworkConfig
from musisep_cli.methods.policy.warmstart.weights import WarmstartConfig
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.objective import ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What is separated, and how often."""

    instruments: int = 1
    """Number of melodic instruments in the recording, one stem each."""
    seeds: int = 1
    """Independent trainings, of which one is chosen."""
    first_seed: int = 0
    """The seeds are first_seed, first_seed + 1, ..."""
    threads: int = 2
    """CPU threads of one seed. Fixed, and not the number of idle cores, because the last bits of a
    training depend on it; those of ``standard`` without training do not."""
    precision: Precision = "auto"
    """Number format of the network's convolutions. Bfloat16 departs from the paper; auto takes it
    on processors that multiply it in hardware, and float32 elsewhere. Weights, least squares,
    rendering and loss are float32 always. The manifest names the one that was taken."""
    cuda_graphs: bool = False
    """On a GPU, whether a step of the policy gradient is recorded once and then started as a whole.
    Off, because it has only been tried where a CPU plays the GPU's part, never been timed; a CPU
    has none, whatever is asked for."""

    @property
    def all_seeds(self) -> range:
        """The seeds.

        >>> RunConfig(seeds=2, first_seed=5).all_seeds
        range(5, 7)
        """
        return range(self.first_seed, self.first_seed + self.seeds)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a separation; the sections of a TOML file."""

    preset: str = "paper"
    run: RunConfig = field(default_factory=RunConfig)
    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    parameters: ParameterConfig = field(default_factory=ParameterConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    warmstart: WarmstartConfig = field(default_factory=WarmstartConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; ``settings.read_settings`` takes them back."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content
