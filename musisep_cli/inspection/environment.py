"""Environment: what a bug report needs to know of this machine."""

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
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH")
"""Settings of the environment that change a result or its speed; shown if they are set."""


def environment(version: str) -> dict[str, Any]:
    """Name to value; values are texts, numbers and lists of texts.

    Args:
        version: musisep's own.
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
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
