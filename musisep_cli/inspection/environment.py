"""Environment: versions and settings of this machine, for a bug report."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import soundfile
import torch

from musisep_cli.run.settings.config import RunConfig

PACKAGES = (
    "torch", "numpy", "scipy", "librosa", "soundfile", "soxr", "matplotlib", "mir_eval",
    "safetensors", "typer", "rich",
)  # fmt: skip
"""Packages whose versions are listed: all that take part in a result."""
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH")
"""Environment variables that change a result or its speed, listed if they are set."""


def environment(version: str) -> dict[str, Any]:
    """Return the facts about this machine, name to value.

    Args:
        version: version of musisep.

    Returns:
        Values are texts, numbers, None, or lists of texts.
    """
    found: dict[str, Any] = {
        "musisep": version,
        "installed_in": str(Path(__file__).parents[1]),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": _usable_cores(),
        "threads_of_a_training": RunConfig().threads,
        "threads_of_torch": torch.get_num_threads(),
        "cuda": torch.version.cuda or "not in this build of torch",
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "default_device": "cuda" if torch.cuda.is_available() else "cpu",
        "libsndfile": soundfile.__libsndfile_version__,
    }
    found |= {name: _version(name) for name in PACKAGES}
    return found | {name: os.environ[name] for name in VARIABLES if name in os.environ}


def _version(name: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _usable_cores() -> int | None:
    """Return the number of cores that this process may run on; None if it is not known."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
