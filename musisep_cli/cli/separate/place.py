"""Place: where `musisep separate` computes, on a device of this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch

from musisep_cli.errors import ConfigError
from musisep_cli.machine.device import describe, resolve_device
from musisep_cli.methods import registry
from musisep_cli.run.cluster.connection import Connection, connected
from musisep_cli.run.settings.config import Config, RunConfig

Configured: TypeAlias = tuple[Config, list[str]]
"""Settings, and what to warn of."""
Configure: TypeAlias = Callable[..., Configured]
"""Function that returns the settings for a ``device``: on a GPU a preset may train, elsewhere not.
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where it is computed.

    Attributes:
        device: kind of device of every seed.
        connection: to the cluster; None for this machine.
        words: describes a cluster; empty for this machine.
    """

    device: torch.device
    connection: Connection | None = None
    words: str = ""


@contextmanager
def cluster(
    address: str | None, threads: int | None, *, dry_run: bool
) -> Iterator[Connection | None]:
    """Connect to a cluster for the block below, if one is asked for and there is work for it.

    Raises:
        ClusterError: there is none, or Ray is not installed.
    """
    if address is None or dry_run:
        yield None
        return
    with connected(address, least_cpus=threads or RunConfig().threads) as connection:
        yield connection


def settle(
    connection: Connection | None, device_name: str, configure: Configure
) -> tuple[Place, Configured]:
    """Return where it is computed, and the settings for that.

    On a cluster every seed is computed on the same kind of device, as they are compared with each
    other. Unless one is named it is a GPU where the cluster has some and the preset, as it is on a
    GPU, trains a network.

    Raises:
        ConfigError: the settings cannot be used, or one GPU of a cluster is named.
        DeviceError: this machine lacks the device.
    """
    if connection is None:
        device = resolve_device(device_name)
        return Place(device=device), configure(device=device)
    kind, _, index = device_name.partition(":")
    if kind == "cuda" and index:
        raise ConfigError(f"--device {device_name}: on a cluster Ray chooses the GPU; use --gpu")
    device = torch.device("cpu") if kind in ("auto", "cuda") else resolve_device(device_name)
    configured = None
    if kind == "cuda" or (kind == "auto" and any(node.n_gpus for node in connection.nodes())):
        device, configured = torch.device("cuda"), configure(device=torch.device("cuda"))
        if kind == "auto" and not _trains(configured[0]):
            device, configured = torch.device("cpu"), None
    settings, warnings = configured or configure(device=device)
    words = f"{connection.words()}, {_seed(device, settings)}"
    return Place(device=device, connection=connection, words=words), (settings, warnings)


def _trains(config: Config) -> bool:
    """Return whether a network is trained on the recording: what a GPU is wanted for."""
    return registry.get(config.run.method).n_steps(config.settings) > 0


def _seed(device: torch.device, config: Config) -> str:
    """Return in words what a seed has for itself."""
    if device.type != "cuda":
        return f"each seed on {describe(device, config.run.threads, config.run.precision)}"
    cpu = torch.device("cpu")
    return f"each seed on a GPU and {describe(cpu, config.run.threads, 'float32')}"
