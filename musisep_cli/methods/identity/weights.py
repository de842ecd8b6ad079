"""Weights: a trained network in one safetensors file, in half precision."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import safetensors
from safetensors import safe_open
from safetensors.torch import save as serialise

from musisep_cli.errors import ConfigError
from musisep_cli.machine.files import atomic_path
from musisep_cli.methods.identity.network import Network, NetworkConfig


def save(network: Network, path: Path) -> None:
    """Write a network's sizes and weights, as half-precision numbers."""
    state = {name: value.half().contiguous().cpu() for name, value in network.state_dict().items()}
    sizes = {name: str(value) for name, value in asdict(network.config).items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialise(state, metadata=sizes))


def load(path: Path) -> Network:
    """Return the network of a file, to be used and not trained.

    Raises:
        ConfigError: the file is none of ``save``.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            sizes = {name: int(value) for name, value in (stored.metadata() or {}).items()}
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        network = Network(NetworkConfig(**sizes))
        network.load_state_dict(state)
    except (OSError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ConfigError(
            f"{path}: not the weights of an extraction network ({error}); give a file that "
            "python -m musisep_cli.methods.identity.training wrote"
        ) from error
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()
