"""Device: the CPU or GPU that computes, its random state, and its fastest number format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch

from musisep_cli.errors import ConfigError, DeviceError
from musisep_cli.machine.processor import multiplies_bfloat16

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""Number format of the network's convolutions; ``auto`` leaves it to ``resolve_precision``."""


def resolve_device(name: str) -> torch.device:
    """Return the device that a ``--device`` value names.

    Args:
        name: auto (a GPU where there is one, else the CPU), cpu, cuda, or cuda:i for GPU number i.

    Raises:
        ConfigError: the name is none of these.
        DeviceError: this machine lacks the device, or musisep does not run on it.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind == "mps":
        raise DeviceError(
            "mps has no float64, which the least squares for the phases need; use --device cpu"
        )
    indexed = kind == "cuda" and index.isascii() and index.isdecimal()
    if kind not in ("cpu", "cuda") or (colon and not indexed):
        raise ConfigError(f"unknown device '{name}'; use auto, cpu, cuda or cuda:0, cuda:1, ...")
    if kind == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n_devices == 0:
            raise DeviceError(
                f"{name}: PyTorch {torch.__version__} finds no GPU on this machine. Use --cpu, or "
                "install a driver and a CUDA build of PyTorch."
            )
        if int(index or 0) >= n_devices:
            raise DeviceError(f"{name}: PyTorch finds GPUs cuda:0 to cuda:{n_devices - 1} only.")
    return torch.device(name)


def of_seed(device: torch.device, seed: int) -> torch.device:
    """Return the device on which a seed is computed: the GPUs in turn, unless one is named.

    >>> of_seed(torch.device("cuda:1"), 6), of_seed(torch.device("cpu"), 6)
    (device(type='cuda', index=1), device(type='cpu'))
    """
    if str(device) != "cuda":
        return device
    return torch.device("cuda", seed % torch.cuda.device_count())


def random_state(device: torch.device) -> dict[str, torch.Tensor | None]:
    """Return the states of PyTorch's generators for work on a device.

    Returns:
        The state of the CPU's generator as ``generator`` and that of the GPU's as
        ``cuda_generator``, which is None where the device is the CPU.
    """
    on_gpu = device.type == "cuda"
    return {
        "generator": torch.get_rng_state(),
        "cuda_generator": torch.cuda.get_rng_state(device) if on_gpu else None,
    }


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Set PyTorch's generators to what ``random_state`` returned for a device of this kind."""
    torch.set_rng_state(state["generator"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda_generator"], device)


def resolve_precision(name: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Return the number format of the network's convolutions for a ``[run] precision``.

    ``auto`` becomes bfloat16 on a CPU with instructions for it, where PyTorch reports them (without
    such instructions bfloat16 is slower than float32), and float32 everywhere else. On a GPU
    bfloat16 has not been measured; there PyTorch multiplies the float32 of convolutions as TF32,
    and everything else (least squares, loss) in full precision.

    >>> resolve_precision("float32", torch.device("cpu"))
    'float32'
    """
    if name != "auto":
        return name
    fast = device.type == "cpu" and torch.backends.mkldnn.is_available() and multiplies_bfloat16()
    return "bfloat16" if fast else "float32"


def describe(device: torch.device, threads: int, precision: str) -> str:
    """Return the device in words, for the first line of the output.

    Args:
        device: the device that computes.
        threads: number of CPU threads.
        precision: number format of the convolutions; float32 goes without saying.

    >>> describe(torch.device("cpu"), 1, "float32")
    'cpu, 1 thread'
    >>> describe(torch.device("cpu"), 2, "bfloat16")
    'cpu, 2 threads, bfloat16'
    """
    if device.type == "cuda":
        where = f"{device} ({torch.cuda.get_device_name(device)})"
    else:
        where = f"cpu, {threads} thread{'' if threads == 1 else 's'}"
    return where if precision == "float32" else f"{where}, {precision}"
