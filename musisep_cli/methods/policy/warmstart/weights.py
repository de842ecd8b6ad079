"""Weights: those that a warm start begins with, in one safetensors file."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import safetensors
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

from musisep_cli.errors import ConfigError
from musisep_cli.machine.files import atomic_path
from musisep_cli.methods.policy.rollout import Policy

BUILTIN = "builtin"
"""Name of the weights inside the package; ``weights/README.md`` there says how they were made."""


@dataclass(frozen=True, kw_only=True)
class WarmstartConfig:
    """Where training on the recording starts from."""

    weights: str = field(default="", metadata={"no_file": ("", "builtin")})
    """Empty: random weights, as in the paper. ``builtin``, or a file that ``python -m
    musisep_cli.methods.policy.warmstart`` wrote. Departs from the paper: the network has learned
    from simulated frames to find tones before it sees the recording."""


def load(policy: Policy, config: WarmstartConfig) -> None:
    """Put the configured weights into a policy, in place.

    Raises:
        ConfigError: the file cannot be read, or belongs to a network of another size.
    """
    policy.load_state_dict(_checked(_read(config.weights), policy, config.weights))


def save(policy: Policy, path: Path) -> None:
    """Write a policy's weights as half-precision numbers."""
    state = {name: value.half().contiguous() for name, value in policy.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialise(state))


def _read(name: str) -> dict[str, Tensor]:
    """Return the tensors of a file or of the built-in weights."""
    try:
        if name == BUILTIN:
            folder = resources.files("musisep_cli.methods.policy") / "weights"
            content = (folder / "tones.safetensors").read_bytes()
        else:
            content = Path(name).read_bytes()
        return parse(content)
    except safetensors.SafetensorError as error:
        raise ConfigError(
            f"[warmstart] weights = '{name}': not a safetensors file ({error}); "
            f"give '{BUILTIN}' or a file that python -m musisep_cli.methods.policy.warmstart wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[warmstart] weights = '{name}': cannot be read ({error}); "
            f"give '{BUILTIN}' or a file that python -m musisep_cli.methods.policy.warmstart wrote"
        ) from error


def _checked(state: dict[str, Tensor], policy: Policy, name: str) -> dict[str, Tensor]:
    """Return tensors in the types of a policy's own, if names and shapes are the same."""
    own = {key: value.shape for key, value in policy.state_dict().items()}
    given = {key: value.shape for key, value in state.items()}
    if own != given:
        raise ConfigError(
            f"[warmstart] weights = '{name}': they belong to a network of another size; leave "
            "[network] and [policy] instrument_by as the preset has them, or start from scratch "
            'with weights = ""'
        )
    return {key: value.to(policy.state_dict()[key].dtype) for key, value in state.items()}
