"""Device: where a training runs."""

from __future__ import annotations

import torch

from musisep_cli.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """The device of a ``--device`` value: auto, cpu, cuda or cuda:i.

    Raises:
        DeviceError: it is not there, or not one that musisep runs on.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "mps":
        raise DeviceError("mps has no float64, which the least squares for the phases need; use --device cpu")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdecimal())):
        raise DeviceError(f"unknown device '{name}'; use auto, cpu, cuda or cuda:0, cuda:1, ...")
    if kind == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= n_devices:
            raise DeviceError(
                f"{name}: this machine shows PyTorch {n_devices} GPUs; use --cpu, or install a CUDA build of PyTorch"
            )
    return torch.device(name)


def describe(device: torch.device) -> str:
    """The device as a user knows it, for the first line of the output."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
