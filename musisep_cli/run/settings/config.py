"""Configuration: the settings of a run and of its method, composed.

What changes the defaults is in ``compose``, and how far they may be changed in ``limits``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from musisep_cli.machine.device import Precision


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What is separated, how, and how often."""

    method: str = "policy"
    """Method that finds out what sounds; the preset determines it."""
    instruments: int = field(default=1, metadata={"least": 1, "most": 16})
    """Number of melodic instruments in the recording, one stem each."""
    seeds: int = field(default=1, metadata={"least": 1, "most": 1000})
    """Number of independent attempts, of which the one with the lowest objective is chosen."""
    first_seed: int = field(default=0, metadata={"least": 0, "most": 2**32 - 1})
    """First seed; the others are the whole numbers that follow it."""
    threads: int = field(default=2, metadata={"least": 1, "most": 1024})
    """CPU threads of one seed. Fixed, and not the number of idle cores, because the last bits of a
    training depend on it; those of ``standard`` without training do not."""
    precision: Precision = "auto"
    """Number format of a network's convolutions. Bfloat16 departs from the paper; auto takes it on
    processors that multiply it in hardware, and float32 elsewhere. Weights, least squares,
    rendering and loss are always float32. The manifest names the format that was used."""

    @property
    def all_seeds(self) -> range:
        """Return the seeds that are asked for, in ascending order.

        >>> RunConfig(seeds=2, first_seed=5).all_seeds
        range(5, 7)
        """
        return range(self.first_seed, self.first_seed + self.seeds)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a separation; the sections of a TOML file.

    Attributes:
        preset: name of the preset that the settings started from.
        run: section ``[run]``, the same for all methods.
        settings: the method's own sections, a dataclass with one dataclass per section.
    """

    preset: str
    run: RunConfig = field(default_factory=RunConfig)
    settings: Any

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values; ``compose.read_settings`` takes them back."""
        sections = {"run": asdict(self.run), **asdict(self.settings)}
        content: dict[str, Any] = json.loads(json.dumps({"preset": self.preset, **sections}))
        return content


def largest(key: str) -> int:
    """Return the largest number that a setting in ``[run]`` can be.

    >>> largest("instruments")
    16
    """
    return int(next(e.metadata["most"] for e in fields(RunConfig) if e.name == key))
